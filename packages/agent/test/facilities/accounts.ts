import { chownSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { slotAt } from '@puppy/accounts'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import t, { type Test } from 'tap'
import { accountsFacility } from '../../src/facilities/accounts.ts'
import type { Tenant } from '../../src/facilities/facility.ts'
import type { SlotState } from '@puppy/state/store/slots'
import { sshKey } from '@puppy/state/testing'
import { isRoot, scratchFolder } from '@puppy/host/testing'
import { smallLayout } from '../support/rows.ts'

t.setTimeout(60_000)
const { signal } = new AbortController()
const machine = createHost()
const tools = ['systemd-sysusers', 'systemd-tmpfiles', 'getent', 'userdel', 'usermod', 'setpriv', 'find']
const missing = tools.filter((name) => machine.program(name) === undefined)
const skip: string | false = !isRoot
  ? 'needs root: files are given to tenants'
  : missing.length > 0 && `${missing.join(', ')} is not installed`

/** Opens the facility on a host that is only a folder. No program listens there, unless `real` uses the ports of the real machine. */
function open(t: Test, { firstPort = 10_240, real = false } = {}) {
  const root = scratchFolder(t)
  for (const folder of ['etc/skel', 'tmp', 'var/tmp', 'var/mail']) mkdirSync(join(root, folder), { recursive: true })
  const layout = { ...smallLayout, firstPort, portLimit: firstPort + 32 }
  const host = createHost({ root })
  const view = { installing: false }
  const facility = accountsFacility({
    host,
    machine: real ? machine : host,
    layout,
    installingView: () => view.installing,
  })
  const slots = [0, 1, 2].map((n) => slotAt(layout, n))
  const tenant = (n: number, more: Partial<Tenant> = {}): Tenant => ({
    id: 100 + n,
    reseller: 'acme',
    name: `account-${n}`,
    slot: slotAt(layout, n),
    ports: 3,
    sshKeys: [sshKey],
    domains: ['a.example.com', 'b.example.com'],
    suspended: false,
    throttled: false,
    limits: {},
    disk: {},
    ...more,
  })
  return {
    root,
    facility,
    view,
    slots,
    tenant,
    prepare: async () => (await facility.prepare!(signal)).apply(),
    build: async (state: SlotState = 'building') =>
      (
        await facility.build!(
          slots.map((slot) => ({ slot, state })),
          signal,
        )
      ).apply(),
    plan: (...tenants: readonly Tenant[]) =>
      facility.serve!({ complete: false, builtSlots: [], tenants, routes: [], suspended: [], goneRoutes: [] }, signal),
    at: (path: string) => join(root, path),
  }
}

const statusOf = (verdicts: ReadonlyMap<number, { readonly status: string }>) =>
  [...verdicts].map(([n, { status }]) => `${n} ${status}`).toSorted()

void t.test('accountsFacility() works where its tools are installed', { skip }, async (t) => {
  t.same(await open(t).facility.probe(signal), { works: true })
})

void t.test('accountsFacility() reports which tools are missing', async (t) => {
  const fake = createFakeHost()
  const { works, reason } = await accountsFacility({ host: fake, machine: fake, layout: smallLayout }).probe(signal)
  t.equal(works, false)
  t.match(reason, /systemd-sysusers.*groupdel.*: apt-get install .*passwd/)
})

void t.test('accountsFacility() builds slots once, and plans without a change', { skip }, async (t) => {
  const { root, facility, slots, prepare, build, at } = open(t)
  const prepared = await facility.prepare!(signal)
  t.equal(prepared.changes.length > 0, true)
  const toBuild = slots.map((slot) => ({ slot, state: 'building' as const }))
  t.equal((await facility.build!(toBuild, signal)).changes.length >= 3, true)
  t.same(readdirSync(root).toSorted(), ['etc', 'tmp', 'var'], 'a plan creates no file')
  await prepare()
  t.same(statusOf(await build()), ['0 ready', '1 ready', '2 ready'])
  t.match(lstatSync(at('home/p10001')), { uid: 10_001, gid: 10_001, mode: 0o40700 })
  t.match(readFileSync(at('etc/passwd'), 'utf8'), /^p10002:x:10002:10002:/m)
  t.same((await facility.prepare!(signal)).changes, [])
  t.same((await facility.build!(toBuild, signal)).changes, [], 'a second build plans no change')
})

void t.test('accountsFacility() blocks a slot whose uid another user has', { skip }, async (t) => {
  const { prepare, build, at } = open(t)
  writeFileSync(at('etc/passwd'), 'anna:x:10001:10001::/home/anna:/bin/sh\n')
  writeFileSync(at('etc/group'), 'anna:x:10001:\n')
  await prepare()
  const verdicts = await build()
  t.same(statusOf(verdicts), ['0 ready', '1 blocked', '2 ready'])
  t.match(verdicts.get(1), { reason: String, message: /anna/ })
})

void t.test('accountsFacility() blocks a slot whose port has a listener, but not a taken slot', { skip }, async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const { prepare, build } = open(t, { firstPort: Math.min(port - 10, 65_500), real: true })
  const n = Math.floor((port - Math.min(port - 10, 65_500)) / 8)
  await prepare()
  t.match((await build()).get(n), { status: 'blocked', message: new RegExp(String(port)) })
  t.equal((await build('taken')).get(n)?.status, 'ready', 'a taken slot is built nevertheless')
})

void t.test(
  'accountsFacility() builds taken and free slots of an empty host in one change set',
  { skip },
  async (t) => {
    const { facility, slots, prepare } = open(t)
    await prepare()
    const states: readonly SlotState[] = ['taken', 'building', 'free']
    const step = await facility.build!(
      slots.map((slot, index) => ({ slot, state: states[index]! })),
      signal,
    )
    t.equal(step.changes.filter(({ action }) => action === 'create group').length, 1)
    t.equal(step.changes.filter(({ action }) => action === 'create account').length, 3)
    t.same(statusOf(await step.apply()), ['0 ready', '1 ready', '2 ready'])
  },
)

void t.test(
  'accountsFacility() plans the logins of slots that are not built, and does not create them',
  { skip },
  async (t) => {
    const { plan, tenant, at } = open(t)
    const step = await plan(tenant(0))
    t.same(
      step.changes.map(({ action, target }) => `${action} ${target}`),
      ['write keys p10000', 'write variables p10000', 'set linger p10000'],
    )
    const { accounts } = await step.apply()
    t.match(accounts.get(100), { status: 'false', reason: 'user_wrong' })
    t.notOk(existsSync(at('etc/puppy/keys/p10000')))
  },
)

void t.test(
  'accountsFacility() starts no service manager while the view is being installed, and ends none',
  { skip },
  async (t) => {
    const { prepare, build, plan, tenant, at, view } = open(t)
    await prepare()
    await build()
    await (await plan(tenant(0))).apply()
    t.ok(existsSync(at('var/lib/systemd/linger/p10000')))
    view.installing = true
    const step = await plan(tenant(0), tenant(1))
    t.notMatch(step.changes.map(({ action }) => action).join(), 'linger')
    await step.apply()
    t.ok(existsSync(at('var/lib/systemd/linger/p10000')))
    t.notOk(existsSync(at('var/lib/systemd/linger/p10001')))
    view.installing = false
    await (await plan(tenant(0), tenant(1))).apply()
    t.ok(existsSync(at('var/lib/systemd/linger/p10001')))
  },
)

void t.test('accountsFacility() writes the keys and variables of tenants', { skip }, async (t) => {
  const { prepare, build, plan, tenant, at } = open(t)
  await prepare()
  await build()
  const step = await plan(tenant(0), tenant(1, { ports: 1, domains: [] }))
  t.equal(step.changes.length > 0, true)
  t.notOk(existsSync(at('etc/puppy/keys/p10000')), 'a plan writes nothing')
  const { accounts, domains, gone } = await step.apply()
  t.same(
    [...accounts],
    [100, 101].map((id) => [id, { type: 'accounts', status: 'true', reason: 'applied' }]),
  )
  t.same([domains.size, gone], [0, []])
  t.match(readFileSync(at('etc/puppy/keys/p10000'), 'utf8'), sshKey.split(' ').slice(0, 2).join(' '))
  const environment = readFileSync(at('etc/puppy/env/p10000'), 'utf8')
  for (const line of [
    'PORT=10240',
    'PUPPY_ACCOUNT=account-0',
    'PUPPY_PORTS=10240,10241,10242',
    'PUPPY_DOMAINS=a.example.com,b.example.com',
  ])
    t.match(environment.replaceAll('"', ''), line)
  t.match(readFileSync(at('etc/puppy/env/p10001'), 'utf8').replaceAll('"', ''), /PUPPY_PORTS=10248$/m)
  t.same((await plan(tenant(0), tenant(1, { ports: 1, domains: [] }))).changes, [], 'a second plan has no change')
})

void t.test('accountsFacility() closes the login of a suspended account, and opens it again', { skip }, async (t) => {
  const { prepare, build, plan, tenant, at } = open(t)
  await prepare()
  await build()
  await (await plan(tenant(0))).apply()
  const closed = await (await plan(tenant(0, { suspended: true }))).apply()
  t.match(closed.accounts.get(100), { status: 'true', reason: 'suspended' })
  t.notOk(existsSync(at('etc/puppy/keys/p10000')))
  t.ok(existsSync(at('home/p10000')), 'the home stays')
  await (await plan(tenant(0))).apply()
  t.ok(existsSync(at('etc/puppy/keys/p10000')))
})

void t.test('accountsFacility() serves the other tenants when one cannot be served', { skip }, async (t) => {
  const { prepare, build, plan, tenant } = open(t)
  await prepare()
  await build()
  const unknown = { ...tenant(3) }
  const { accounts } = await (await plan(tenant(0), tenant(1, { sshKeys: ['no key\nat all'] }), unknown)).apply()
  t.match(accounts.get(100), { status: 'true' })
  t.match(accounts.get(101), { status: 'false', reason: 'login_failed', message: String })
  t.match(accounts.get(103), { status: 'false', reason: 'user_wrong', message: String })
})

void t.test('accountsFacility() evicts a tenant and removes its files', { skip }, async (t) => {
  const { facility, prepare, build, plan, tenant, slots, at } = open(t)
  await prepare()
  await build()
  await (await plan(tenant(0), tenant(1))).apply()
  for (const path of ['home/p10000/secret', 'tmp/left', 'home/p10001/kept']) {
    writeFileSync(at(path), 'x')
    const uid = path.includes('10001') ? 10_001 : 10_000
    chownSync(at(path), uid, uid)
  }
  const evicting = await facility.evict!(slots.slice(0, 1), signal)
  t.strictSame(evicting.changes, [{ facility: 'accounts', target: 'p10000', action: 'end its logins and processes' }])
  t.ok(existsSync(at('etc/puppy/keys/p10000')), 'a plan removes nothing')
  t.equal((await evicting.apply()).get(0)?.done, true)
  t.notOk(existsSync(at('etc/puppy/keys/p10000')))
  const scrubbing = await facility.scrub!(slots.slice(0, 1), signal)
  t.strictSame(scrubbing.changes, [{ facility: 'accounts', target: 'p10000', action: 'delete its data' }])
  t.ok(existsSync(at('home/p10000/secret')))
  t.same(await scrubbing.apply(), new Map([[0, { done: true }]]))
  t.same(
    ['home/p10000/secret', 'tmp/left', 'home/p10001/kept', 'etc/puppy/keys/p10001'].map((path) => existsSync(at(path))),
    [false, false, true, true],
    'the neighbour keeps its files',
  )
})

void t.test('accountsFacility() does not evict or scrub a slot whose uid another user has', { skip }, async (t) => {
  const { facility, prepare, build, slots, at } = open(t)
  await prepare()
  await build()
  const passwd = readFileSync(at('etc/passwd'), 'utf8')
  writeFileSync(at('etc/passwd'), passwd.replace('p10000:x:10000:', 'anna:x:10000:'))
  writeFileSync(at('home/p10000/hers'), 'x')
  for (const how of ['evict', 'scrub'] as const) {
    const given = await (await facility[how]!(slots.slice(0, 1), signal)).apply()
    t.match(given.get(0), { done: false, message: String }, how)
  }
  t.ok(existsSync(at('home/p10000/hers')))
})

void t.test(
  'accountsFacility() does not change a person who has the uid of a slot, whatever the row says',
  { skip },
  async (t) => {
    const { at, plan, tenant, prepare } = open(t)
    const { user, uid } = tenant(0).slot
    writeFileSync(
      at('etc/passwd'),
      `root:x:0:0:root:/root:/bin/bash\nalice:x:${uid}:${uid}:Alice:/home/alice:/bin/bash\n`,
    )
    writeFileSync(at('etc/group'), `root:x:0:\nalice:x:${uid}:\n`)
    await prepare()
    const before = readFileSync(at('etc/passwd'), 'utf8')
    const step = await plan(tenant(0, { suspended: true }))
    t.same(step.changes, [], 'no change is planned')
    const { accounts } = await step.apply()
    t.match(accounts.get(100), { status: 'false', reason: 'user_wrong', message: /alice/ })
    t.notOk(existsSync(at(`etc/puppy/keys/${user}`)))
    t.equal(readFileSync(at('etc/passwd'), 'utf8'), before)
  },
)

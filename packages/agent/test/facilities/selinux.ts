import { matchWhole } from '@puppy/host/testing'
import { setTimeout as sleep } from 'node:timers/promises'
import { slotAt } from '@puppy/accounts'
import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import { openPolicy } from '@puppy/selinux'
import { createFakeSelinux } from '@puppy/selinux/fake'
import { pairAt, renderLevel } from '@puppy/selinux/level'
import t from 'tap'
import type { Tenant, View } from '../../src/facilities/facility.ts'
import { removePolicy, selinuxFacility } from '../../src/facilities/selinux.ts'
import { smallLayout } from '../support/rows.ts'
import { createFakePolicy } from '../support/policy.ts'

const { signal } = new AbortController()
const slots = [0, 1].map((n) => slotAt(smallLayout, n))
const [first, second] = slots as [(typeof slots)[0], (typeof slots)[0]]
const tenants = slots.map((slot, at) => ({ id: 7 + at, slot })) as readonly Partial<Tenant>[] as readonly Tenant[]
const view: View = {
  complete: true,
  builtSlots: slots.map((slot) => ({ slot, egress: 'default', free: false })),
  tenants,
  routes: [],
  suspended: [],
  goneRoutes: [],
}
const toBuild = slots.map((slot) => ({ slot, state: 'building' as const }))
const applied = { type: 'selinux', status: 'true', reason: 'applied' }

interface Machine {
  readonly mode?: 'enforcing' | 'permissive' | 'disabled'
  readonly files?: Readonly<Record<string, string>>
  readonly live?: boolean
  readonly without?: string
}

/** Opens a host whose files have contexts, which a fake find(1) prints and sets. */
function open({ mode = 'enforcing', files = {}, live = true, without = '' }: Machine = {}) {
  const contexts = new Map(slots.map(({ home }) => [home, 'system_u:object_r:user_home_dir_t:s0']))
  const broken = new Set<string>()
  const asked: string[] = []
  const find: FakeProgram = ({ args, input }) => {
    asked.push(...args, ...(input ?? '').split('\0'))
    if (args.includes('-files0-from')) {
      const paths = (input ?? '').split('\0').filter((path) => contexts.has(path))
      return { stdout: paths.map((path) => `${contexts.get(path)}\0${path}\0`).join('') }
    }
    const home = args[1] ?? ''
    const level = (args[args.indexOf('-context') + 1] ?? '').replace('puppy_u:*:', '')
    const label = `puppy_u:object_r:user_home_dir_t:${level}`
    if (args.includes('-execdir') && !broken.has(home)) contexts.set(home, label)
    return { stdout: args.includes('-quit') && contexts.get(home) !== label ? `${home}\0` : '' }
  }
  const programs = Object.fromEntries(
    Object.entries({
      '/usr/bin/find': find,
      '/usr/bin/chcon': () => ({}),
      '/usr/bin/setpriv': () => ({}),
      '/usr/sbin/restorecon': () => ({}),
      '/usr/sbin/semodule': () => ({}),
    }).filter(([path]) => !path.endsWith(`/${without}`)),
  )
  const kernel =
    mode === 'disabled'
      ? {}
      : {
          '/sys/fs/selinux/enforce': mode === 'enforcing' ? '1' : '0',
          '/sys/fs/selinux/mls': '1',
          '/sys/fs/selinux/policyvers': '33',
          '/etc/selinux/config': 'SELINUX=enforcing\nSELINUXTYPE=default\n',
          '/var/lib/selinux/default/active/modules/100/base/cil': '',
        }
  const homes = Object.fromEntries(slots.map(({ home }) => [`${home}/.profile`, '']))
  const host = createFakeHost({ files: { ...homes, ...kernel, ...files }, programs, live })
  const policy = createFakePolicy(host)
  const facility = selinuxFacility({ host, layout: smallLayout, policy })
  const serve = async () => (await facility.serve!(view, signal)).apply()
  const build = async () => (await facility.build!(toBuild, signal)).apply()
  return { host, policy, facility, serve, build, contexts, broken, asked }
}

/** Waits until background work has ended. */
const soon = () => sleep(20)

void t.test('selinuxFacility() reports why it does not work', async (t) => {
  const rows = [
    [open({ mode: 'disabled' }), /SELinux is off/],
    [open({ live: false }), /only a folder/],
    [open({ files: { '/sys/fs/selinux/mls': '0' } }), /no levels/],
    [open({ files: { '/etc/selinux/config': '' } }), /selinux\/targeted.*: the policy is not installed/],
    [open({ files: { '/etc/selinux/config': 'SELINUXTYPE=\n' } }), /names no policy/],
    [open({ without: 'semodule' }), /apt-get install policycoreutils/],
  ] as const
  for (const [{ facility }, reason] of rows) t.match(await facility.probe(signal), { works: false, reason })
  t.match(await open().facility.probe(signal), { works: true, version: 'default, enforcing' })
})

void t.test('selinuxFacility() makes no slot ready before the policy has it and its home is labelled', async (t) => {
  const { facility, policy, serve, build, contexts } = open()
  await facility.probe(signal)
  const built = Promise.withResolvers<undefined>()
  policy.behind = () => built.promise
  const step = await facility.build!(toBuild, signal)
  t.strictSame(
    step.changes.map(({ facility: name, action, target }) => `${name}: ${action} ${target}`),
    ['selinux: install module puppy_tenants', 'selinux: install module puppy_slots'],
  )
  matchWhole(t, await step.apply(), new Map([0, 1].map((n) => [n, { status: 'failed', reason: 'policy_pending' }])))
  t.match((await serve()).accounts.get(7), { status: 'false', reason: 'policy_pending' })
  built.resolve(undefined)
  await soon()
  t.equal(policy.transactions, 1)
  const labelling = (await facility.build!(toBuild, signal)).changes
  t.strictSame(labelling, [
    { facility: 'selinux', target: first.home, action: 'label', after: renderLevel(pairAt(0)) },
    { facility: 'selinux', target: second.home, action: 'label', after: renderLevel(pairAt(1)) },
  ])
  t.strictSame(await build(), new Map())
  t.equal(contexts.get(second.home), `puppy_u:object_r:user_home_dir_t:${renderLevel(pairAt(1))}`)
  t.strictSame((await facility.build!(toBuild, signal)).changes, [])
  const served = await serve()
  t.strictSame(served.accounts, new Map([7, 8].map((id) => [id, applied])))
  t.equal(served.repaired, undefined)
  t.equal(policy.transactions, 1)
})

void t.test('selinuxFacility() repairs changes from outside Puppy and reports them', async (t) => {
  const { facility, policy, serve, contexts, broken } = open()
  await facility.probe(signal)
  await serve()
  await soon()
  t.equal((await serve()).repaired, undefined, 'the first labelling is no repair')
  contexts.set(first.home, 'puppy_u:object_r:user_home_dir_t:s0')
  const rest = { domains: new Map(), gone: [] }
  t.strictSame(await serve(), {
    ...rest,
    repaired: `relabel ${first.home}`,
    accounts: new Map([7, 8].map((id) => [id, applied])),
  })
  policy.modules.delete('puppy_tenants')
  const removed = await serve()
  t.match(removed.repaired, /puppy_slots, which was removed/)
  t.strictSame(
    [...removed.accounts].map(([id, { status, reason }]) => [id, status, reason]),
    [7, 8].map((id) => [id, 'false', 'policy_pending']),
  )
  await soon()
  t.match((await serve()).accounts.get(8), applied)
  contexts.delete(second.home)
  contexts.set(first.home, 'not a context')
  broken.add(first.home)
  const { accounts } = await serve()
  t.match(accounts.get(7), { status: 'false', reason: 'label_failed', message: /still has another context/ })
  t.match(accounts.get(8), applied, 'a home that does not exist has no verdict')
})

void t.test('selinuxFacility() delays no slot where SELinux is permissive, and reports it', async (t) => {
  const { facility, policy, serve, build } = open({ mode: 'permissive' })
  t.match(await facility.probe(signal), { works: true, version: 'default, permissive' })
  t.matchOnlyStrict(await (await facility.prepare!(signal)).apply(), [/permissive on this host.*setenforce 1/])
  t.strictSame(await build(), new Map())
  await serve()
  await soon()
  t.equal(policy.transactions, 1, 'levels are loaded for a later change to enforcing')
  t.match((await serve()).accounts.get(7), { status: 'true', reason: 'permissive' })
})

void t.test('selinuxFacility() reports a policy that cannot be loaded, and makes no slot ready', async (t) => {
  const { facility, policy, serve, build } = open()
  await facility.probe(signal)
  policy.behind = () => {
    throw new Error('the disk is full')
  }
  await serve()
  await soon()
  t.matchOnlyStrict(await (await facility.prepare!(signal)).apply(), [/disk is full/])
  t.match((await build()).get(0), { status: 'failed', reason: 'policy_failed', message: /disk is full/ })
  t.match((await serve()).accounts.get(7), { status: 'false', reason: 'policy_failed' })
})

void t.test(
  'selinuxFacility() reports in inspect() whether the levels are loaded and what the kernel decides',
  async (t) => {
    const { facility, serve } = open()
    const loaded = async () => (await facility.inspect!(view, signal)).find(({ what }) => what.startsWith('levels'))
    t.match(await loaded(), { works: false, otherwise: /are not in the SELinux policy; the agent adds them/ })
    await serve()
    await soon()
    t.match(await loaded(), { works: true })
    t.strictSame(
      (await facility.inspect!(view, signal)).map(({ works, what }) => `${works ? 'ok' : 'not'} ${what}`),
      [
        'ok SELinux is enforcing',
        'not SELinux: policy',
        'not SELinux: apart',
        'not SELinux: ports',
        'not SELinux: programs',
        'ok every process of a tenant has the level of the tenant',
        'not SELinux: homes',
        'ok levels of slots in the policy',
      ],
    )
  },
)

void t.test('selinuxFacility() asks no home that is below a mount of a user', async (t) => {
  const mounts = `90 1 0:52 / ${first.home} rw,nosuid,nodev - fuse.mine mine rw,user_id=${first.uid},group_id=${first.gid}\n`
  const { facility, serve, asked } = open({ files: { '/proc/self/mountinfo': mounts } })
  await serve()
  await soon()
  const served = await serve()
  await facility.inspect!(view, signal)
  t.notOk(asked.includes(first.home), 'it may never answer')
  t.ok(asked.includes(second.home), 'the home of its neighbour is labelled')
  t.strictSame([...served.accounts.values()], [applied, applied])
})

void t.test('selinuxFacility() reverts a loaded policy that does not isolate tenants, and reports it', async (t) => {
  const open = async (commits: number, more: Readonly<Record<string, () => string>> = {}) => {
    const fake = createFakeSelinux()
    const host = createFakeHost({ ...fake.options, answers: { ...fake.options.answers, ...more } })
    const policy = openPolicy(host)
    const facility = selinuxFacility({ host, layout: smallLayout, policy })
    const prepare = async () => (await facility.prepare!(signal)).apply()
    await facility.probe(signal)
    await prepare()
    for (let turn = 0; turn < 100 && fake.commits() < commits; turn += 1) await soon()
    await soon()
    return { policy, prepare }
  }
  const good = await open(1)
  t.strictSame((await good.policy.read()).modules.length, 2)
  t.strictSame(await good.prepare(), [])
  const bad = await open(2, { '/sys/fs/selinux/access': () => 'ffffffff ffffffff 0 ffffffff 1 0' })
  t.strictSame((await bad.policy.read()).modules, [])
  t.matchOnlyStrict(await bad.prepare(), [/verify the policy: the loaded policy allows a tenant/])
})

void t.test('removePolicy() removes only Puppy’s modules', async (t) => {
  const { host, policy, serve } = open()
  await serve()
  await soon()
  policy.modules.set('foreign', '(type x_t)')
  await removePolicy({ host, policy })
  t.strictSame([...policy.modules.keys()], ['foreign'])
  t.equal(policy.forgotten, true)
  const off = open({ mode: 'disabled' })
  off.policy.unreadable = new Error('no policy is installed')
  await removePolicy(off)
})

import { slotAt } from '@puppy/accounts'
import { openFirewall } from '@puppy/firewall'
import { createFakeNft } from '@puppy/firewall/fake'
import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import type { Tenant, View } from '../../src/facilities/facility.ts'
import { firewallFacility, removeFirewall } from '../../src/facilities/firewall.ts'
import { smallLayout } from '../support/rows.ts'

const { signal } = new AbortController()
const slots = [0, 1, 2].map((n) => slotAt(smallLayout, n))
const tenant = { id: 7, slot: slots[0] } as Tenant
const view = (count: number, more: Partial<View> = {}): View => ({
  complete: false,
  builtSlots: slots.slice(0, count).map((slot) => ({ slot, egress: 'default', free: false })),
  tenants: [tenant],
  routes: [],
  suspended: [],
  goneRoutes: [],
  ...more,
})

const wanted = '/etc/systemd/system/sysinit.target.wants/puppy-firewall.service'

function open(live = true) {
  const nft = createFakeNft()
  const seen = { ours: true }
  const systemctl: FakeProgram = async ({ args, host }) => {
    if (args[0] === 'enable') await host.replace(wanted, '')
    if (args[0] === 'disable') await host.remove(wanted)
    return {}
  }
  const programs = { '/usr/sbin/nft': nft.program, '/usr/bin/systemctl': systemctl }
  const machine = createFakeHost({
    programs,
    live,
    files: {
      '/etc/systemd/system/sysinit.target.wants/x': '',
      '/run/x': '',
      '/var/lib/puppy/x': '',
      '/etc/systemd/system/x': '',
    },
  })
  const options = {
    host: machine,
    firewall: openFirewall(machine, { folder: '/run/puppy/firewall' }),
    tenantUids: { first: slots[0]?.uid ?? 0, last: (slots[0]?.uid ?? 0) + 99 },
    callers: [0, 120],
    guards: [{ name: 'api', port: 8420, uids: [991], isOurs: async () => seen.ours }],
    rulesFile: '/var/lib/puppy/firewall.json',
  }
  const listings = () => machine.commands.filter((command) => command.includes('list')).length
  return { seen, nft, machine, options, facility: firewallFacility(options), listings }
}

void t.test('firewallFacility() loads rules for every slot, and runs no program when nothing changed', async (t) => {
  const { facility, options, listings, machine } = open()
  t.match(await facility.probe(signal), { works: true, version: /^\d/ })
  const step = await facility.serve!(view(2), signal)
  t.ok(step.changes.length > 0)
  t.equal(await options.firewall.read(), undefined, 'a plan loads nothing')
  const served = await step.apply()
  t.strictSame([...served.accounts], [[7, { type: 'firewall', status: 'true', reason: 'applied' }]])
  t.ok(await options.firewall.read())
  const before = machine.commands.length
  t.same((await (await facility.serve!(view(2), signal)).apply()).accounts.size, 1)
  t.equal(machine.commands.length, before, 'no program was run')
  const looks = listings()
  t.strictSame((await facility.serve!(view(2, { complete: true }), signal)).changes, [])
  t.ok(listings() > looks, 'a complete pass reads the table')
})

void t.test('firewallFacility() adds a slot as an element, and applies the egress policy of the plan', async (t) => {
  const { facility } = open()
  await (await facility.serve!(view(2), signal)).apply()
  const more = await facility.serve!(view(3), signal)
  const own = more.changes.filter(({ target }) => target === 'set own')
  t.matchOnlyStrict(
    own,
    [{ facility: 'firewall', target: 'set own', action: 'add', after: /^\d+ \. \d+-\d+$/ }],
    'only the new element',
  )
  await more.apply()
  const strict = view(3)
  const builtSlots = strict.builtSlots.map((slot, index) =>
    index === 1 ? { ...slot, egress: 'local' as const } : slot,
  )
  const step = await facility.serve!({ ...strict, builtSlots }, signal)
  t.match(JSON.stringify(step.changes), /egress/)
  await step.apply()
  t.strictSame((await facility.serve!({ ...strict, builtSlots, complete: true }, signal)).changes, [])
})

void t.test('firewallFacility() loads exactly what it planned, and plans again only after a conflict', async (t) => {
  const { facility, nft, options, machine } = open()
  await (await facility.serve!(view(2), signal)).apply()
  const loads = () => machine.commands.filter((command) => command.includes('-f') && !command.includes('-c')).length
  const step = await facility.serve!(view(3), signal)
  const before = [machine.commands.filter((command) => command.includes('list')).length, loads()]
  await step.apply()
  const after = [machine.commands.filter((command) => command.includes('list')).length, loads()]
  t.strictSame(after, [(before[0] ?? 0) + 1, (before[1] ?? 0) + 1], 'one transaction, and one listing to read it back')

  const stale = await facility.serve!(view(2), signal)
  const family = 'inet'
  const table = 'puppy'
  nft.run({ delete: { element: { family, table, name: 'sent', elem: [slots[2]?.uid ?? 0] } } })
  const done = loads()
  t.match(await stale.apply(), { accounts: Map })
  t.equal(loads() - done, 2, 'the first transaction was refused')
  t.strictSame((await facility.serve!(view(2, { complete: true }), signal)).changes, [])
  t.ok(await options.firewall.read())
})

void t.test('firewallFacility() guards a port once Puppy’s own process was seen there, and from then on', async (t) => {
  const { facility, options, seen } = open()
  const guarded = async () => JSON.stringify(await options.firewall.read()).includes('8420')
  const pass = async () => (await facility.serve!(view(1, { complete: true }), signal)).apply()
  seen.ours = false
  await pass()
  t.notOk(await guarded(), 'another program may use the port')
  seen.ours = true
  await pass()
  t.ok(await guarded())
  seen.ours = false
  await pass()
  t.ok(await guarded(), 'also while the process restarts')
})

void t.test('firewallFacility() loads a flushed table again in the next complete pass', async (t) => {
  const { facility, nft, options } = open()
  await (await facility.serve!(view(2), signal)).apply()
  t.equal(facility.stands(), true)
  nft.flushRuleset()
  const step = await facility.serve!(view(2, { complete: true }), signal)
  t.ok(step.changes.length > 0)
  t.match(await step.apply(), { repaired: 'the whole table was missing' })
  t.ok(await options.firewall.read())
})

void t.test('firewallFacility() reports changes from outside Puppy, and not changes of the spec', async (t) => {
  const { facility, nft } = open()
  const pass = async (count: number) =>
    (await (await facility.serve!(view(count, { complete: true }), signal)).apply()).repaired
  t.equal(facility.stands(), false)
  t.equal(await pass(1), undefined, 'the first load is no repair')
  t.equal(await pass(2), undefined, 'another slot is no repair')
  t.equal(await pass(2), undefined)
  nft.run({ flush: { chain: { family: 'inet', table: 'puppy', name: 'answer' } } })
  t.match(await pass(2), /^change chain answer \(/)
  nft.flushRuleset()
  t.equal(await pass(3), 'the whole table was missing', 'also when the spec changed at the same time')
  t.equal(await pass(3), undefined)
})

void t.test('firewallFacility() reports a table that was flushed while no agent ran', async (t) => {
  const { facility, nft, options } = open()
  await (await facility.serve!(view(2), signal)).apply()
  const next = async (count: number) =>
    (await (await firewallFacility(options).serve!(view(count), signal)).apply()).repaired
  t.equal(await next(2), undefined)
  t.equal(await next(3), undefined, 'the spec has more slots than the last agent loaded')
  nft.flushRuleset()
  t.equal(await next(3), 'the whole table was missing')
})

void t.test('firewallFacility() reports whether table, guards and boot unit exist', async (t) => {
  const { facility, nft, machine, seen } = open()
  const inspect = async (count = 2) =>
    (await facility.inspect!(view(count), signal)).map(({ works, what }) => `${works ? 'ok' : 'not'} ${what}`)
  t.strictSame(await inspect(), ['not firewall table'])
  const load = async () => (await facility.serve!(view(2, { complete: true }), signal)).apply()
  seen.ours = false
  await load()
  const [table, guard, boot] = [
    'firewall table',
    'firewall guard of port 8420 (api)',
    'firewall at boot (puppy-firewall.service)',
  ]
  t.strictSame(await inspect(), [`ok ${table}`, `not ${guard}`, `ok ${boot}`])
  seen.ours = true
  await load()
  seen.ours = false
  t.strictSame(await inspect(), [`ok ${table}`, `ok ${guard}`, `ok ${boot}`], 'a guard stays while the API restarts')
  const before = machine.commands.length
  t.strictSame(await inspect(3), [`not ${table}`, `ok ${guard}`, `ok ${boot}`])
  t.ok(
    machine.commands.slice(before).every((command) => command.includes('list')),
    'it only reads',
  )
  nft.run({ flush: { chain: { family: 'inet', table: 'puppy', name: 'answer' } } })
  await machine.remove(wanted)
  t.matchOnlyStrict(await facility.inspect!(view(2), signal), [
    { works: false, what: table, otherwise: /not as the agent loads it \(change chain answer\)/ },
    { works: true, what: guard, otherwise: String },
    { works: false, what: boot, otherwise: /not enabled/ },
  ])
})

void t.test('firewallFacility() stores the rules for the next boot, and removeFirewall() deletes them', async (t) => {
  const { facility, machine, options } = open()
  await (await facility.serve!(view(1), signal)).apply()
  t.match(await machine.read('/etc/systemd/system/puppy-firewall.service'), 'nft -j -f /var/lib/puppy/firewall.json')
  t.match(JSON.parse((await machine.read('/var/lib/puppy/firewall.json')) ?? ''), { nftables: Array })
  t.equal((await machine.status('/var/lib/puppy/firewall.json'))?.mode, 0o600)
  t.ok(machine.commands.some((command) => command.includes('enable')))
  await removeFirewall(options)
  t.equal(await machine.read('/etc/systemd/system/puppy-firewall.service'), undefined)
  t.equal(await options.firewall.read(), undefined)
})

void t.test('firewallFacility() enables a unit that a killed agent wrote and did not enable', async (t) => {
  const { facility, machine } = open()
  await (await facility.serve!(view(1), signal)).apply()
  await machine.remove(wanted)
  await (await facility.serve!(view(1, { complete: true }), signal)).apply()
  t.ok(await machine.status(wanted))
  const before = machine.commands.filter((command) => command.includes('enable')).length
  await (await facility.serve!(view(1, { complete: true }), signal)).apply()
  t.equal(machine.commands.filter((command) => command.includes('enable')).length, before, 'it is not enabled again')
})

void t.test('removeFirewall() removes the files where the kernel has no nf_tables', async (t) => {
  const { options, machine } = open()
  const refusing: FakeProgram = ({ args }) =>
    args[0] === '--version'
      ? { stdout: 'nftables v1.0.6 (x)\n' }
      : { exitCode: 1, stderr: 'Error: Could not process rule: Operation not supported' }
  const host = createFakeHost({
    programs: { '/usr/sbin/nft': refusing, '/usr/bin/systemctl': () => ({}) },
    files: { '/etc/systemd/system/puppy-firewall.service': 'x', [options.rulesFile]: '{}', '/run/x': '' },
  })
  await removeFirewall({ ...options, host, firewall: openFirewall(host, { folder: '/run/puppy/firewall' }) })
  t.equal(await host.status('/etc/systemd/system/puppy-firewall.service'), undefined)
  t.equal(await host.status(options.rulesFile), undefined)
  await removeFirewall({ ...options, host: machine })
})

void t.test('firewallFacility() does not work on a host that is only a folder', async (t) => {
  const { facility, machine, options } = open(false)
  t.match(await facility.probe(signal), { works: false, reason: /folder/ })
  await removeFirewall(options)
  t.strictSame(machine.commands, [])
})

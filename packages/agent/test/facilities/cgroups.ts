import { matchWhole } from '@puppy/host/testing'
import { slotAt } from '@puppy/accounts'
import { createFakeCgroups } from '@puppy/cgroups/fake'
import { limitsWith, limitTable } from '@puppy/cgroups/limits'
import { createFakeHost, renderFakeProcess } from '@puppy/host/fake'
import { planLimits } from '@puppy/state/plan-spec'
import t from 'tap'
import { cgroupsFacility, removeLimits } from '../../src/facilities/cgroups.ts'
import type { Tenant, View } from '../../src/facilities/facility.ts'
import { smallLayout } from '../support/rows.ts'
import { createFakePolicy } from '../support/policy.ts'

const { signal } = new AbortController()
const slots = [0, 1].map((n) => slotAt(smallLayout, n))
const [first, second] = slots as [(typeof slots)[0], (typeof slots)[0]]
const limits = { cpu: { max: 0.5 }, memory: { max: 512 * 2 ** 20, swapMax: 0 }, pids: { max: 128 } }
const view = (...tenants: readonly Partial<Tenant>[]): View => ({
  complete: true,
  builtSlots: slots.map((slot) => ({ slot, egress: 'default', free: false })),
  tenants: tenants as readonly Tenant[],
  routes: [],
  suspended: [],
  goneRoutes: [],
})
const dropIn = (uid: number) => `/etc/systemd/system/user-${uid}.slice.d/50-puppy.conf`

interface Machine {
  readonly bpf?: boolean
  readonly live?: boolean
  readonly version?: number
  readonly files?: Readonly<Record<string, string>>
}

function open({ live = true, version = 257, bpf = true, files = {} }: Machine = {}) {
  const fake = createFakeCgroups({ version, bpf })
  const host = createFakeHost({ programs: fake.programs, files: { ...fake.files, '/run/x': '', ...files }, live })
  const runFolder = '/run/puppy/cgroups'
  const options = { host, layout: smallLayout, policy: createFakePolicy(), runFolder, cgroupfs: fake.cgroupfs }
  return { fake, host, options, facility: cgroupsFacility(options) }
}

void t.test('cgroupsFacility() limits slices, before and after they are in use', async (t) => {
  const { fake, host, facility } = open()
  t.match(await facility.probe(signal), { works: true, version: 'systemd 257' })
  const both = view({ id: 7, slot: first, limits }, { id: 8, slot: second, limits: {} })
  const step = await facility.serve!(both, signal)
  const add = { facility: 'cgroups', action: 'add', after: /^\[Slice\]$/m }
  t.matchOnlyStrict(step.changes, [
    { ...add, target: `user-${first.uid}.slice` },
    { ...add, target: `user-${second.uid}.slice` },
  ])
  t.equal(await host.read(dropIn(first.uid)), undefined, 'a plan writes nothing')
  const armed = { type: 'limits', status: 'true', reason: 'armed' }
  t.strictSame(
    [...(await step.apply()).accounts],
    [
      [7, armed],
      [8, armed],
    ],
  )
  t.match(await host.read(dropIn(first.uid)), 'TasksMax=128')
  const before = host.commands.length
  t.strictSame((await facility.serve!(both, signal)).changes, [])
  t.equal(host.commands.length, before, 'planning runs no program')

  await fake.login(`user-${first.uid}.slice`, 4242)
  const used = await (await facility.serve!(both, signal)).apply()
  t.match(used.accounts.get(7), { status: 'true', reason: 'applied' })
  t.equal(used.repaired, undefined)
  t.equal(fake.cgroupfs.read(`user.slice/user-${first.uid}.slice` as never, 'pids.max')?.trim(), '128')
})

void t.test('cgroupsFacility() renders every limit that a plan can have', async (t) => {
  for (const name of planLimits) {
    const { host, facility } = open()
    const step = await facility.serve!(view({ id: 7, slot: first, limits: limitsWith(name, 8192) }), signal)
    const { property = '', renderProperty } = limitTable[name]
    t.match((await step.apply()).accounts.get(7), { status: 'true' }, name)
    t.ok((await host.read(dropIn(first.uid)))?.split('\n').includes(`${property}=${renderProperty(8192)}`), name)
  }
})

void t.test('cgroupsFacility() repairs a limit that another program changed, and reports it', async (t) => {
  const { fake, facility } = open()
  const one = view({ id: 7, slot: first, limits })
  await (await facility.serve!(one, signal)).apply()
  await fake.login(`user-${first.uid}.slice`, 4242)
  await fake.cgroupfs.write(`user.slice/user-${first.uid}.slice` as never, 'pids.max', '9999')
  const served = await (await facility.serve!(one, signal)).apply()
  t.match(served.repaired, /repair user-\d+\.slice \(found pids\.max=9999\)/)
  t.match(served.accounts.get(7), { status: 'true', reason: 'applied' })
})

void t.test('cgroupsFacility() refuses an account with invalid limits, and serves the others', async (t) => {
  const { facility } = open()
  // What an attacker who broke into the API may have written into a plan.
  const nonsense: readonly unknown[] = [
    { memory: { high: Number.NaN } },
    { memory: null },
    { pids: 5 },
    { cpu: [] },
    { io: { max: 'all' } },
    { io: { max: [null] } },
    { pids: { max: '1\n[Service]' } },
  ]
  for (const none of nonsense) {
    const both = view({ id: 7, slot: first, limits }, { id: 8, slot: second, limits: none as Tenant['limits'] })
    const { accounts } = await (await facility.serve!(both, signal)).apply()
    t.match(accounts.get(7), { status: 'true', reason: 'armed' })
    t.match(accounts.get(8), { type: 'limits', status: 'false', reason: 'refused', message: /Cannot use the limit/ })
  }
})

void t.test('cgroupsFacility() sets no port rules where systemd has no BPF', async (t) => {
  const { host, facility } = open({ bpf: false })
  await facility.probe(signal)
  const building = slots.map((slot) => ({ slot, state: 'building' as const }))
  const step = await facility.build!(building, signal)
  t.strictSame(step.changes, [])
  await step.apply()
  const one = view({ id: 7, slot: first, limits })
  await (await facility.serve!(one, signal)).apply()
  t.notMatch(await host.read(dropIn(first.uid)), 'SocketBind')
  t.strictSame((await facility.serve!(one, signal)).changes, [], 'a plan shows no change that is not applied')
  t.equal(await host.read(dropIn(second.uid)), undefined)
})

void t.test('cgroupsFacility() throttles an account, and reverts it exactly', async (t) => {
  const files = {
    '/sys/block/vdb/dev': '254:16\n',
    '/proc/self/mountinfo':
      '46 28 254:16 / /home rw,relatime - ext4 /dev/vdb rw\n32 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
  }
  const { fake, host, facility } = open({ files })
  const serve = async (throttled: boolean) =>
    (await (await facility.serve!(view({ id: 7, slot: first, limits, throttled }), signal)).apply()).accounts.get(7)
  t.match(await serve(false), { reason: 'armed' })
  const before = await host.read(dropIn(first.uid))
  t.match(await serve(true), { status: 'true', reason: 'armed' })
  for (const line of ['CPUQuota=10', 'CPUWeight=1', 'TasksMax=32', 'IOWriteBandwidthMax=/dev/block/254:16 1048576'])
    t.match(await host.read(dropIn(first.uid)), line)
  await fake.login(`user-${first.uid}.slice`, 4242)
  t.match(await serve(true), { status: 'true', reason: 'throttled' })
  t.match(await serve(false), { status: 'true', reason: 'applied' })
  t.equal(await host.read(dropIn(first.uid)), before)

  const { facility: diskless } = open()
  const served = await (await diskless.serve!(view({ id: 7, slot: first, limits, throttled: true }), signal)).apply()
  t.match(served.accounts.get(7), { status: 'true', message: /not on a disk that the kernel can limit/ })
})

void t.test('cgroupsFacility() ends processes of suspended and released accounts', async (t) => {
  const { fake, facility } = open()
  const path = `user.slice/user-${first.uid}.slice` as never
  const suspended = view({ id: 7, slot: first, limits, suspended: true })
  await (await facility.serve!(suspended, signal)).apply()
  for (const [ended, end] of [
    [
      { type: 'limits', status: 'true', reason: 'applied' },
      async () => (await (await facility.serve!(suspended, signal)).apply()).accounts.get(7),
    ],
    [{ done: true }, async () => (await (await facility.evict!(slots, signal)).apply()).get(first.n)],
  ] as const) {
    await fake.login(`user-${first.uid}.slice`, 4242)
    t.match(fake.cgroupfs.read(path, 'cgroup.events'), 'populated 1')
    t.strictSame(await end(), ended)
    t.match(fake.cgroupfs.read(path, 'cgroup.events'), 'populated 0')
  }
  t.strictSame((await facility.evict!(slots, signal)).changes, [
    { facility: 'cgroups', target: `user-${first.uid}.slice`, action: 'end its processes' },
  ])
})

void t.test('cgroupsFacility() does not work without a recent systemd', async (t) => {
  t.match(await open({ live: false }).facility.probe(signal), { works: false, reason: /only a folder/ })
  t.match(await open({ version: 251 }).facility.probe(signal), { works: false, reason: /252 or later/ })
})

void t.test('cgroupsFacility() reports processes outside their limits', async (t) => {
  const process = { pid: 77, uid: first.uid, name: 'sleep', group: 'system.slice/cron.service' }
  const { facility } = open({ files: renderFakeProcess(process) })
  matchWhole(t, await facility.inspect!(view(), signal), [
    { works: false, what: `process sleep (pid 77) of ${first.user}`, otherwise: /cron\.service, outside/ },
  ])
  t.strictSame(await open().facility.inspect!(view(), signal), [
    { works: true, what: 'every process of a tenant is in the slice of its account' },
  ])
})

void t.test('removeLimits() removes the limits of every slot', async (t) => {
  const { host, facility, options } = open()
  await (await facility.serve!(view({ id: 7, slot: first, limits }), signal)).apply()
  await removeLimits(options, smallLayout)
  t.equal(await host.read(dropIn(first.uid)), undefined)
  await removeLimits(open({ live: false }).options, smallLayout)
})

import { slotAt } from '@puppy/accounts'
import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import { openQuota } from '@puppy/quota'
import { createFakeQuota, type FakeQuotaOptions } from '@puppy/quota/fake'
import t from 'tap'
import type { Tenant, View } from '../../src/facilities/facility.ts'
import { quotaFacility, removeQuotas } from '../../src/facilities/quota.ts'
import { smallLayout } from '../support/rows.ts'

const { signal } = new AbortController()
const MiB = 1024 * 1024
const slots = [0, 1].map((n) => slotAt(smallLayout, n))
const [first, second] = slots as [(typeof slots)[0], (typeof slots)[0]]
const tenantUids = { first: first.uid, last: first.uid + 3 }
const view = (...tenants: readonly Partial<Tenant>[]): View => ({
  complete: true,
  builtSlots: slots.map((slot) => ({ slot, egress: 'default', free: false })),
  tenants: tenants as readonly Tenant[],
  routes: [],
  suspended: [],
  goneRoutes: [],
})
const disk = { bytes: 10 * MiB, inodes: 100 }
const applied = { type: 'quota', status: 'true', reason: 'applied' }

interface Machine extends FakeQuotaOptions {
  readonly live?: boolean
  /** The output of find(1) for folders that every user can write to. */
  readonly places?: string
  /** What sessions of tenants have replaced. */
  readonly replaced?: readonly string[]
}

function open({ live = true, places = '', replaced = [], ...options }: Machine = {}) {
  const fake = createFakeQuota(options)
  const files = { ...fake.files, [`${first.home}/.profile`]: '' }
  // As after a scrub: a home consists of the folder and one file.
  const find: FakeProgram = ({ args }) =>
    args[0] === '/' ? { stdout: places } : { stdout: `${first.uid}\n${first.uid}\n0\n` }
  const host = createFakeHost({ programs: { ...fake.programs, '/usr/bin/find': find }, files, live })
  const quota = openQuota(host, '/home')
  const limits = async (uid: number) =>
    (await quota.report([uid])).flatMap(({ bytes, inodes }) => [bytes.soft, bytes.hard, inodes.soft, inodes.hard])
  const facility = quotaFacility({ host, quota, tenantUids, replaced: () => replaced })
  const serve = async (...tenants: readonly Partial<Tenant>[]) =>
    (await facility.serve!(view(...tenants), signal)).apply()
  return { fake, host, quota, facility, serve, limits }
}

void t.test('quotaFacility() sets the limits of plans in one batch', async (t) => {
  const { facility, host, limits } = open()
  t.match(await facility.probe(signal), { works: true, version: 'ext4 on /home' })
  const both = view({ id: 7, slot: first, disk }, { id: 8, slot: second, disk: { bytes: MiB } })
  const step = await facility.serve!(both, signal)
  t.strictSame(step.changes, [
    {
      facility: 'quota',
      target: first.user,
      action: 'set limits',
      before: 'any number of bytes, any number of files',
      after: '10485760 bytes, 100 files',
    },
    {
      facility: 'quota',
      target: second.user,
      action: 'set limits',
      before: 'any number of bytes, any number of files',
      after: '1048576 bytes, any number of files',
    },
  ])
  t.strictSame(await limits(first.uid), ['none', 'none', 'none', 'none'], 'a plan sets nothing')
  const served = await step.apply()
  t.strictSame(
    [...served.accounts],
    [
      [7, applied],
      [8, applied],
    ],
  )
  t.equal(served.repaired, undefined, 'the first limits are no repair')
  t.strictSame(await limits(first.uid), ['none', 10 * MiB, 'none', 100])
  t.strictSame(await limits(second.uid), ['none', MiB, 'none', 'none'])
  t.equal(host.commands.filter(([program]) => program.endsWith('setquota')).length, 1)
})

void t.test('quotaFacility() reads one report and writes nothing when nothing differs', async (t) => {
  const { facility, host, serve } = open()
  await facility.probe(signal)
  await serve({ id: 7, slot: first, disk })
  const before = host.commands.length
  t.match((await serve({ id: 7, slot: first, disk })).accounts.get(7), applied)
  t.strictSame(
    host.commands.slice(before).map(([program]) => program),
    ['/usr/sbin/repquota'],
  )
  await serve()
  t.equal(host.commands.length, before + 1, 'without tenants it runs no program')
  t.match(
    (await serve({ id: 7, slot: first, disk, suspended: true })).accounts.get(7),
    applied,
    'a suspended account keeps its limits',
  )
})

void t.test('quotaFacility() repairs limits that another program set, and reports it', async (t) => {
  const { fake, serve, limits } = open()
  await serve({ id: 7, slot: first, disk }, { id: 8, slot: second, disk: {} })
  fake.meddle('user', first.uid, [0, 0, 0, 0])
  fake.meddle('user', second.uid, [512, 1024, 0, 0])
  const served = await serve({ id: 7, slot: first, disk }, { id: 8, slot: second, disk: {} })
  t.equal(
    served.repaired,
    `set limits of ${first.user} (found any number of bytes, any number of files), set limits of ${second.user} (found 1048576 bytes, any number of files)`,
  )
  t.strictSame(await limits(first.uid), ['none', 10 * MiB, 'none', 100])
  t.strictSame(await limits(second.uid), ['none', 'none', 'none', 'none'])
  const larger = await serve({ id: 7, slot: first, disk: { bytes: 20 * MiB } })
  t.equal(larger.repaired, undefined, 'another plan is no repair')
  t.strictSame(await limits(first.uid), ['none', 20 * MiB, 'none', 'none'])
  t.equal((await serve({ id: 9, slot: first, disk })).repaired, undefined, 'another account on the slot is no repair')
})

void t.test('quotaFacility() refuses a plan below the current use, and reports the use and what to do', async (t) => {
  const { fake, serve, limits } = open()
  await serve({ id: 7, slot: first, disk }, { id: 8, slot: second, disk })
  fake.use('user', first.uid, { bytes: 5 * MiB, inodes: 9 })
  const { accounts } = await serve(
    { id: 7, slot: first, disk: { bytes: MiB } },
    { id: 8, slot: second, disk: { bytes: MiB } },
  )
  t.strictSame(accounts.get(7), {
    type: 'quota',
    status: 'false',
    reason: 'below_usage',
    message:
      'the plan allows 1048576 bytes, any number of files, but the account uses 5242880 bytes, 9 files; the limits stay at 10485760 bytes, 100 files until it deletes files or gets a larger plan',
  })
  t.strictSame(await limits(first.uid), ['none', 10 * MiB, 'none', 100])
  t.match(accounts.get(8), applied)
  t.strictSame(await limits(second.uid), ['none', MiB, 'none', 'none'])
  fake.use('user', first.uid, { bytes: 1000, inodes: 9 })
  t.match((await serve({ id: 7, slot: first, disk: { bytes: MiB } })).accounts.get(7), applied, 'it deleted files')
})

void t.test('quotaFacility() sets a limit below the current use when there was no limit', async (t) => {
  const { fake, serve, limits } = open()
  fake.use('user', first.uid, { bytes: 50 * MiB, inodes: 1000 })
  t.match((await serve({ id: 7, slot: first, disk })).accounts.get(7), applied)
  t.strictSame(await limits(first.uid), ['none', 10 * MiB, 'none', 100])
})

void t.test('quotaFacility() refuses invalid limits, and serves the others', async (t) => {
  const { serve, limits } = open({ refused: [second.uid] })
  // What an attacker who broke into the API may have written into a plan.
  for (const nonsense of [
    { bytes: 0 },
    { bytes: -1 },
    { inodes: 1.5 },
    { bytes: null },
    { bytes: '1M' },
    { inodes: {} },
  ]) {
    const { accounts } = await serve(
      { id: 7, slot: first, disk: nonsense as Tenant['disk'] },
      { id: 8, slot: slotAt(smallLayout, 2), disk },
    )
    t.match(accounts.get(7), { type: 'quota', status: 'false', reason: 'invalid', message: /Cannot set the limit/ })
    t.match(accounts.get(8), applied)
  }
  t.strictSame(await limits(first.uid), ['none', 'none', 'none', 'none'])
  const refused = await serve({ id: 8, slot: second, disk }, { id: 7, slot: first, disk })
  t.match(refused.accounts.get(8), { status: 'false', reason: 'refused', message: /Numerical result out of range/ })
  t.match(refused.accounts.get(7), applied)
})

void t.test('quotaFacility() does not work where limits are not enforced, and reports what to do', async (t) => {
  t.match(await open({ live: false }).facility.probe(signal), { works: false, reason: /only a folder/ })
  const counted = open({ kinds: { user: 'accounting' } })
  t.match(await counted.facility.probe(signal), { works: false, reason: /to enable it: .*usrquota.*fstab/ })
  t.match(await open({ kinds: { user: 'off' } }).facility.probe(signal), { works: false, reason: /tune2fs -O quota/ })
  await t.rejects(counted.serve({ id: 7, slot: first, disk }), /user quota no longer works on \/home/)
  t.match(await open({ mountPoint: '/data' }).facility.probe(signal), { works: false, reason: String })
})

void t.test('quotaFacility() lifts the limits of a released slot that is empty', async (t) => {
  const { fake, facility, serve, limits } = open()
  await serve({ id: 7, slot: first, disk }, { id: 8, slot: second, disk })
  fake.use('user', first.uid, { bytes: 8192, inodes: 2 })
  const step = await facility.scrub!([first, second], signal)
  t.strictSame(
    step.changes,
    [first, second].map(({ user }) => ({ facility: 'quota', target: user, action: 'lift limits' })),
  )
  t.strictSame(await limits(first.uid), ['none', 10 * MiB, 'none', 100])
  t.strictSame(
    [...(await step.apply())],
    [
      [0, { done: true }],
      [1, { done: true }],
    ],
  )
  t.strictSame(await limits(first.uid), ['none', 'none', 'none', 'none'])
})

void t.test('quotaFacility() keeps the limits of a released slot that still owns files', async (t) => {
  const { fake, facility, serve, limits } = open()
  await serve({ id: 7, slot: first, disk }, { id: 8, slot: second, disk })
  fake.use('user', first.uid, { bytes: 12_288, inodes: 3 })
  const given = await (await facility.scrub!([first, second], signal)).apply()
  t.strictSame(
    [...given],
    [
      [
        0,
        {
          done: false,
          message: `uid ${first.uid} owns 1 file outside its new home (12288 bytes in total); list them with "find /home -xdev -uid ${first.uid}" and delete them (it does not list deleted files that are still open)`,
        },
      ],
      [1, { done: true }],
    ],
  )
  t.strictSame(await limits(first.uid), ['none', 10 * MiB, 'none', 100])
})

void t.test('quotaFacility() reports that limits are enforced', async (t) => {
  const { facility } = open()
  t.strictSame(await facility.inspect!(view(), signal), [{ works: true, what: 'disk limits are enforced on /home' }])
})

void t.test('quotaFacility() reports folders without limits, and does not wait for the search', async (t) => {
  const { facility } = open({ places: `${254 * 256} /var/tmp\0` })
  const remarks = async () => (await facility.prepare!(signal)).apply()
  for (let pass = 1; pass <= 2; pass += 1) t.strictSame(await remarks(), [])
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.matchOnlyStrict(await remarks(), [
    /^tenants can fill folders that no user quota limits: \/var\/tmp \(ext4 on \/\); run /,
  ])
  t.matchOnlyStrict(await facility.inspect!(view(), signal), [
    { works: true, what: 'disk limits are enforced on /home' },
    {
      works: false,
      what: 'disk limits in /var/tmp',
      otherwise: /\(ext4 on \/\); create a private \/var\/tmp for each tenant/,
    },
  ])
  const own = open({ places: `${254 * 256} /var/tmp\0`, replaced: ['/tmp', '/var/tmp'] }).facility
  t.strictSame(
    await own.inspect!(view(), signal),
    [{ works: true, what: 'disk limits are enforced on /home' }],
    'tenants have their own',
  )
})

void t.test('removeQuotas() lifts only the limits of slots', async (t) => {
  const { fake, host, quota, serve, limits } = open()
  await serve({ id: 7, slot: first, disk })
  fake.meddle('user', 5000, [0, 1024, 0, 0])
  await removeQuotas({ host, quota }, [first.uid, second.uid])
  t.strictSame(await limits(first.uid), ['none', 'none', 'none', 'none'])
  t.strictSame(await limits(5000), ['none', 1024 * 1024, 'none', 'none'])
  const folder = open({ live: false })
  await removeQuotas(folder, [first.uid])
  t.strictSame(folder.host.commands, [])
})

import { matchWhole } from '@puppy/host/testing'
import { slotAt } from '@puppy/accounts'
import { openSlices } from '@puppy/cgroups'
import { createFakeCgroups } from '@puppy/cgroups/fake'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { cgroupsFacility } from '../../src/facilities/cgroups.ts'
import { buildPortRules, emptySlice } from '../../src/cgroups/slice-port-rules.ts'
import { smallLayout } from '../support/rows.ts'
import { createFakePolicy } from '../support/policy.ts'

const { signal } = new AbortController()
const slots = [0, 1].map((n) => slotAt(smallLayout, n))
const [first, second] = slots as [(typeof slots)[0], (typeof slots)[0]]
const dropIn = (uid: number) => `/etc/systemd/system/user-${uid}.slice.d/50-puppy.conf`

function open(fakeOptions = {}) {
  const fake = createFakeCgroups(fakeOptions)
  const host = createFakeHost({ programs: fake.programs, files: { ...fake.files, '/run/x': '' } })
  const policy = createFakePolicy()
  const options = { runFolder: '/run/puppy/cgroups', cgroupfs: fake.cgroupfs, policy }
  const slices = openSlices(host, options)
  const build = (...built: Parameters<typeof buildPortRules>[1]) => buildPortRules(slices, built, signal)
  return { host, options, build }
}

void t.test('buildPortRules() sets the rules of a slice before an account has it', async (t) => {
  const { host, options, build } = open()
  const building = slots.map((slot) => ({ slot, state: 'building' as const }))
  const step = await build(...building)
  const add = { facility: 'cgroups', action: 'add', after: /^SocketBindAllow=\d/m }
  t.matchOnlyStrict(step.changes, [
    { ...add, target: `user-${first.uid}.slice` },
    { ...add, target: `user-${second.uid}.slice` },
  ])
  t.equal(await host.read(dropIn(first.uid)), undefined, 'a plan writes nothing')
  t.equal((await step.apply()).size, 0, 'slots that are ready have no verdict')
  const allowed = `SocketBindAllow=${first.ports[0]}-${first.ports.at(-1)}\nSocketBindDeny=1-32767\n`
  t.match(await host.read(dropIn(first.uid)), allowed)
  t.strictSame((await build(...building)).changes, [])

  const facility = cgroupsFacility({ host, layout: smallLayout, ...options })
  await facility.probe(signal)
  const tenant = { id: 7, slot: first, limits: { pids: { max: 128 } } } as never
  const view = { complete: true, builtSlots: [], tenants: [tenant], routes: [], suspended: [], goneRoutes: [] }
  await (await facility.serve!(view, signal)).apply()
  t.match(await host.read(dropIn(first.uid)), 'TasksMax=128')
  t.match(await host.read(dropIn(first.uid)), allowed, 'the port rules stay beside the limits')
  t.strictSame((await build({ slot: first, state: 'taken' })).changes, [], 'a taken slot is skipped')
})

void t.test('buildPortRules() reports why a slice is refused, and applies the others', async (t) => {
  const hostile = { ...first, ports: [0, 5] }
  const verdicts = await (await open().build({ slot: hostile, state: 'free' }, { slot: second, state: 'free' })).apply()
  t.match(verdicts.get(first.n), { status: 'failed', reason: 'slice_refused', message: /ports are 1 to/ })
  t.equal(verdicts.has(second.n), false)
})

void t.test('emptySlice() returns no rules for ports that the kernel assigns', async (t) => {
  matchWhole(t, emptySlice(first), { portRules: { allow: [{ first: first.ports[0], last: first.ports.at(-1) }] } })
  t.equal(emptySlice({ ...first, ports: [32_760, 32_768] }).portRules, undefined)
  t.strictSame(emptySlice({ ...first, ports: [32_760, 32_767] }).portRules, {
    allow: [{ first: 32_760, last: 32_767 }],
  })
})

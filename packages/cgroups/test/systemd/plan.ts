import t from 'tap'
import { renderDropIn } from '../../src/systemd/drop-in.ts'
import type { ObservedSlice, ObservedSlices } from '../../src/systemd/observe.ts'
import { planSlices } from '../../src/systemd/plan.ts'
import type { SliceSpec } from '../../src/systemd/spec.ts'

const slice = 'user-5.slice'
const limits = { pids: { max: 5 }, cpu: { weight: 7 } }
const item: SliceSpec = { slice, limits }
const observed = (more: Partial<ObservedSlice>, all: Partial<ObservedSlices> = {}): ObservedSlices => ({
  systemd: { version: 257, bpf: true },
  slices: [{ slice, busy: false, limits: {}, foreign: [], ...more }],
  oldLinks: new Map(),
  ...all,
})
const plan = (more: Partial<ObservedSlice>, spec = item, all?: Partial<ObservedSlices>) =>
  planSlices([spec], observed(more, all))
const text = renderDropIn(limits)
const empty = { changes: [], steps: [], refused: [] }
const pick = ({ changes, steps, refused }: ReturnType<typeof planSlices>) => ({ changes, steps, refused })

void t.test('planSlices() plans nothing when nothing differs', async (t) => {
  t.strictSame(pick(plan({ text })), empty)
  t.strictSame(pick(plan({ text, busy: true, limits })), empty)
  t.strictSame(pick(planSlices([], observed({}))), empty)
})

void t.test('planSlices() distinguishes adding from changing', async (t) => {
  const added = plan({})
  t.strictSame(added.changes, [{ facility: 'cgroups', target: slice, action: 'add', after: text }])
  t.strictSame(added.steps, [{ slice, busy: false, text, remove: [], enforce: 'nothing', writes: [] }])
  const before = renderDropIn({ pids: { max: 9 }, cpu: { weight: 7 } })
  const changed = plan({ text: before, busy: true, limits: { pids: { max: 9 }, cpu: { weight: 7 } } })
  t.strictSame(changed.changes, [{ facility: 'cgroups', target: slice, action: 'change', before, after: text }])
  const writes = [{ name: 'pids.max', file: 'pids.max', value: '5' }]
  t.strictSame(changed.steps, [{ slice, busy: true, text, remove: [], enforce: 'write', writes }])
})

void t.test('planSlices() repairs drift', async (t) => {
  const drifted = plan({ text, busy: true, limits: { pids: { max: 6 }, cpu: { weight: 7 } } })
  const repair = { facility: 'cgroups', target: slice, action: 'repair', before: 'pids.max=6', after: 'pids.max=5' }
  t.strictSame(drifted.changes, [repair])
  const writes = [{ name: 'pids.max', file: 'pids.max', value: '5' }]
  t.strictSame(drifted.steps, [{ slice, busy: true, remove: [], enforce: 'write', writes }])
  const path = '/etc/systemd/system.control/user-5.slice.d/50-TasksMax.conf'
  const left = '/run/systemd/system.control/user-5.slice.d/50-CPUWeight.conf'
  const foreign = [
    { path, property: 'TasksMax', value: '9', by: 'set-property' },
    { path: left, property: 'CPUWeight', value: '', by: 'set-property' },
    { path: '/x', property: 'MemoryLow', value: '9', by: 'set-property' },
    { path: '/y', property: 'TasksMax', value: '9', by: 'file' },
  ] as const
  const { changes, steps } = plan({ text, foreign })
  const removed = (before: string) => ({ facility: 'cgroups', target: slice, action: 'remove', before })
  t.strictSame(changes, [removed(path), removed(left)], 'files that do not contradict our drop-in stay')
  t.strictSame(steps, [{ slice, busy: false, remove: [path, left], enforce: 'nothing', writes: [] }])
  const only = { ...item, limits: { pids: { max: 5 } } }
  const seen = { text: renderDropIn(only.limits), foreign }
  t.strictSame(plan(seen, only).changes, [removed(path), removed(left)], 'files of a killed run are removed')
})

void t.test('planSlices() plans reapply for changes that only systemd can apply', async (t) => {
  const how = (more: Partial<ObservedSlice>, spec = item, all?: Partial<ObservedSlices>) =>
    plan(more, spec, all).steps[0]?.enforce
  t.equal(how({ text, busy: true, limits: { pids: { max: 5 } } }), 'reapply', 'a controller that is disabled')
  const more = renderDropIn({ ...limits, memory: { max: 1 } })
  t.equal(how({ text: more, busy: true, limits }), 'reapply', 'a default that only systemd knows')
  t.equal(how({ text: renderDropIn(limits, { allow: [80] }), busy: true, limits }), 'reapply', 'port rules')
  t.equal(how({ text, busy: true, limits }, item, { unfinished: [slice] }), 'reapply', 'unfinished work')
  t.equal(how({ text: more }), 'nothing', 'the slice is not in use')
})

void t.test('planSlices() plans the changes that finish an earlier run', async (t) => {
  const reload = {
    facility: 'cgroups',
    target: 'systemd',
    action: 'reload',
    before: 'an earlier run did not finish',
    command: 'systemctl daemon-reload',
  }
  t.strictSame(plan({ text }, item, { unfinished: [] }).changes, [reload])
  const { before } = reload
  const reapply = { facility: 'cgroups', target: slice, action: 'reapply', before, after: text }
  t.strictSame(plan({ text, busy: true, limits }, item, { unfinished: [slice] }).changes, [reload, reapply])
})

void t.test('planSlices() plans to reclaim memory for a lower memory.max', async (t) => {
  const memory = (max: number) => ({ slice, limits: { memory: { max } } })
  const seen = { text: renderDropIn(memory(8192).limits), busy: true, limits: { memory: { max: 8192 } } }
  t.equal(plan(seen, memory(4096)).steps[0]?.shrink, 4096)
  t.equal(plan({ ...seen, busy: false }, memory(4096)).steps[0]?.shrink, undefined)
  t.equal(plan(seen, memory(16_384)).steps[0]?.shrink, undefined)
  t.equal(plan({ ...seen, limits: { memory: { max: 'max' } } }, memory(4096)).steps[0]?.shrink, 4096)
})

void t.test('planSlices() restores port rules that are missing in the kernel', async (t) => {
  const ruled = { ...item, portRules: { allow: [80] } }
  const seen = { text: renderDropIn(limits, ruled.portRules), busy: true, limits }
  const links = [
    { id: 1, group: 1n, family: 'inet' },
    { id: 2, group: 1n, family: 'inet6' },
  ] as const
  t.strictSame(pick(plan({ ...seen, links }, ruled)), empty)
  const { changes, steps } = plan({ ...seen, links: links.slice(1) }, ruled)
  const after = 'SocketBindAllow= SocketBindDeny= SocketBindAllow=80 SocketBindDeny=1-32767'
  const before = 'the kernel has no port rules'
  t.strictSame(changes, [{ facility: 'cgroups', target: slice, action: 'repair', before, after }])
  t.strictSame(steps, [{ slice, busy: true, remove: [], enforce: 'nothing', writes: [], portRules: 'restore' }])
  t.equal(plan({ ...seen, links }, { ...ruled, portRules: { allow: [81] } }).steps[0]?.portRules, 'change')
})

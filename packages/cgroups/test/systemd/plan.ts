import t from 'tap'
import { renderDropIn } from '../../src/systemd/drop-in.ts'
import type { ObservedSlice } from '../../src/systemd/observe.ts'
import { planSlices } from '../../src/systemd/plan.ts'

const slice = 'user-5.slice'
const limits = { pids: { max: 5 }, cpu: { weight: 7 } }
const wanted = { slice, limits }
const seen = (more: Partial<ObservedSlice>): ObservedSlice => ({ slice, busy: false, limits: {}, foreign: [], ...more })
const plan = (more: Partial<ObservedSlice>, want = wanted, unfinished?: readonly string[]) =>
  planSlices([want], { slices: [seen(more)], ...(unfinished === undefined ? {} : { unfinished }) })
const text = renderDropIn(limits)

void t.test('planSlices() plans nothing where nothing differs', async (t) => {
  t.strictSame(plan({ text }), [])
  t.strictSame(plan({ text, busy: true, limits }), [])
  t.strictSame(planSlices([], { slices: [] }), [])
})

void t.test('planSlices() tells adding from changing', async (t) => {
  t.match(plan({}), [
    { slice, text, settle: 'nothing', changes: [{ facility: 'cgroups', target: slice, action: 'add', after: text }] },
  ])
  const before = renderDropIn({ pids: { max: 9 }, cpu: { weight: 7 } })
  t.match(plan({ text: before, busy: true, limits: { pids: { max: 9 }, cpu: { weight: 7 } } }), [
    { text, settle: 'write', changes: [{ action: 'change', before, after: text }] },
  ])
})

void t.test('planSlices() finds drift', async (t) => {
  t.match(plan({ text, busy: true, limits: { pids: { max: 6 }, cpu: { weight: 7 } } }), [
    { settle: 'write', changes: [{ target: `${slice} pids.max`, action: 'repair', before: '6', after: '5' }] },
  ])
  const path = '/etc/systemd/system.control/user-5.slice.d/50-TasksMax.conf'
  const foreign = [
    { path, property: 'TasksMax', value: '9', by: 'set-property' },
    { path: '/x', property: 'MemoryLow', value: '9', by: 'set-property' },
    { path: '/y', property: 'TasksMax', value: '9', by: 'file' },
  ] as const
  const [step] = plan({ text, foreign })
  t.match(step, { remove: [path], changes: [{ target: `${slice} ${path}`, action: 'remove' }] })
  t.equal(step?.changes.length, 1, 'what is nobody’s business of ours stays')
})

void t.test('planSlices() leaves to systemd what only systemd can', async (t) => {
  const realized = (more: Partial<ObservedSlice>, want = wanted, unfinished?: readonly string[]) =>
    plan(more, want, unfinished)[0]?.settle
  t.equal(realized({ text, busy: true, limits: { pids: { max: 5 } } }), 'reapply', 'a controller that is switched off')
  const more = renderDropIn({ ...limits, memory: { max: 1 } })
  t.equal(realized({ text: more, busy: true, limits }), 'reapply', 'a default that only systemd knows')
  t.equal(realized({ text: renderDropIn(limits, { allow: [80] }), busy: true, limits }), 'reapply', 'walls')
  t.equal(realized({ text, busy: true, limits }, wanted, [slice]), 'reapply', 'what was not finished')
  t.equal(realized({ text: more }), 'nothing', 'nobody uses it')
})

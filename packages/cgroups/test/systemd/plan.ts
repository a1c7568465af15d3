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
  t.strictSame(plan({}), [
    {
      slice,
      limits,
      remove: [],
      text,
      settle: 'nothing',
      changes: [{ facility: 'cgroups', target: slice, action: 'add', after: text }],
    },
  ])
  const before = renderDropIn({ pids: { max: 9 }, cpu: { weight: 7 } })
  t.strictSame(plan({ text: before, busy: true, limits: { pids: { max: 9 }, cpu: { weight: 7 } } }), [
    {
      slice,
      limits,
      remove: [],
      text,
      settle: 'write',
      changes: [{ facility: 'cgroups', target: slice, action: 'change', before, after: text }],
    },
  ])
})

void t.test('planSlices() finds drift', async (t) => {
  t.strictSame(plan({ text, busy: true, limits: { pids: { max: 6 }, cpu: { weight: 7 } } }), [
    {
      slice,
      limits,
      remove: [],
      settle: 'write',
      changes: [{ facility: 'cgroups', target: `${slice} pids.max`, action: 'repair', before: '6', after: '5' }],
    },
  ])
  const path = '/etc/systemd/system.control/user-5.slice.d/50-TasksMax.conf'
  const foreign = [
    { path, property: 'TasksMax', value: '9', by: 'set-property' },
    { path: '/x', property: 'MemoryLow', value: '9', by: 'set-property' },
    { path: '/y', property: 'TasksMax', value: '9', by: 'file' },
  ] as const
  const [step] = plan({ text, foreign })
  t.strictSame(step?.remove, [path])
  t.strictSame(
    step?.changes,
    [{ facility: 'cgroups', target: `${slice} ${path}`, action: 'remove' }],
    'what is nobody’s business of ours stays',
  )
})

void t.test('planSlices() leaves to systemd what only systemd can', async (t) => {
  const realized = (more: Partial<ObservedSlice>, want = wanted, unfinished?: readonly string[]) =>
    plan(more, want, unfinished)[0]?.settle
  t.equal(realized({ text, busy: true, limits: { pids: { max: 5 } } }), 'realize', 'a controller that is switched off')
  const more = renderDropIn({ ...limits, memory: { max: 1 } })
  t.equal(realized({ text: more, busy: true, limits }), 'realize', 'a default that only systemd knows')
  t.equal(realized({ text: renderDropIn(limits, { allow: [80] }), busy: true, limits }), 'realize', 'walls')
  t.equal(realized({ text, busy: true, limits }, wanted, [slice]), 'realize', 'what was not finished')
  t.equal(realized({ text: more }), 'nothing', 'nobody uses it')
})

import t from 'tap'
import { CgroupError } from '../../src/errors.ts'
import type { SliceStep } from '../../src/systemd/plan.ts'
import { resultOf, type Outcome } from '../../src/systemd/result.ts'

const slice = 'user-5.slice'
const spec = { slice, limits: { pids: { max: 5 } } }
const seen = { slice, busy: true, limits: { pids: { max: 5 } }, foreign: [] }
const outcome: Outcome = { seen, oldLinks: [], bpf: true }
const links = (...ids: readonly number[]) =>
  ids.map((id) => ({ id, group: 1n, family: id % 2 === 0 ? ('inet6' as const) : ('inet' as const) }))
const ruled = { ...spec, portRules: { allow: [80] } }
const withLinks = (...ids: readonly number[]): Outcome => ({ ...outcome, seen: { ...seen, links: links(...ids) } })
const write = { name: 'pids.max', file: 'pids.max', value: '5' }
const step: SliceStep = { slice, busy: true, remove: [], enforce: 'write', writes: [write] }

void t.test('resultOf() reports the state of the limits in the kernel', async (t) => {
  const base = { target: slice, changed: false, foreign: [], differences: [] }
  t.strictSame(resultOf(spec, outcome), { ...base, status: 'applied' })
  const unused = { ...outcome, seen: { ...seen, busy: false, limits: {} } }
  t.strictSame(resultOf(spec, unused), { ...base, status: 'armed' })
  t.strictSame(resultOf(spec, { ...outcome, step }), { ...base, changed: true, status: 'applied' })
  const error = new CgroupError('CGROUP_INVALID', { operation: 'try' })
  t.strictSame(resultOf(spec, { ...outcome, error }), { ...base, status: 'refused', error })
})

void t.test('resultOf() distinguishes values that the kernel refused from changes of another process', async (t) => {
  const differs = { ...outcome, seen: { ...seen, limits: { pids: { max: 6 } } } }
  const differences = [{ name: 'pids.max', spec: '5', observed: '6' }]
  const result = (more: Partial<Outcome>) => resultOf(spec, { ...differs, ...more })
  t.strictSame(result({ step }).differences, differences)
  t.match(result({ step }), {
    status: 'refused',
    error: { code: 'CGROUP_REFUSED', message: /pids\.max is 6 and should be 5/ },
  })
  t.equal(result({ step: { ...step, enforce: 'reapply', writes: [] } }).error?.code, 'CGROUP_REFUSED')
  t.equal(result({ step: { ...step, writes: [] } }).error?.code, 'CGROUP_CONFLICT', 'not planned')
  t.equal(
    result({ step: { ...step, busy: false } }).error?.code,
    'CGROUP_CONFLICT',
    'the first session started meanwhile',
  )
  t.equal(result({}).error?.code, 'CGROUP_CONFLICT')
})

void t.test('resultOf() names the file of an operator that overrides a limit', async (t) => {
  const foreign = [{ path: '/etc/x.conf', property: 'TasksMax', value: '9', by: 'file' }] as const
  t.match(resultOf(spec, { ...outcome, seen: { ...seen, foreign } }), {
    status: 'refused',
    error: { code: 'CGROUP_REFUSED', message: /x\.conf sets TasksMax=9/ },
  })
})

void t.test('resultOf() reports the state of the port rules in the kernel', async (t) => {
  const reported = (more: Outcome) => {
    const { status, portRules, error } = resultOf(ruled, more)
    return [status, portRules, error?.code]
  }
  t.strictSame(reported(withLinks(1, 2)), ['applied', 'set', undefined])
  t.strictSame(reported(withLinks(1, 2, 3, 4)), ['applied', 'set', undefined], 'the same rules twice')
  t.strictSame(reported({ ...withLinks(1, 2, 3, 4), oldLinks: [1, 2] }), ['refused', 'stale', 'CGROUP_REFUSED'])
  t.strictSame(reported(withLinks(1)), ['refused', 'missing', 'CGROUP_REFUSED'], 'only one address family')
  t.strictSame(reported(withLinks()), ['refused', 'missing', 'CGROUP_REFUSED'])
  t.strictSame(reported({ ...withLinks(1, 2), bpf: false }), ['applied', 'unsupported', undefined], 'not an error')
  t.strictSame(reported(outcome), ['applied', 'set', undefined], 'when the links cannot be read')
  t.equal(resultOf(spec, withLinks()).portRules, undefined, 'none in the spec')
})

void t.test('resultOf() reports no port rules for a slice that was refused', async (t) => {
  const error = new CgroupError('CGROUP_INVALID', { operation: 'allow ports', value: '0-0', detail: 'not a port' })
  const nothing = { target: slice, status: 'refused', changed: false, differences: [], foreign: [], error }
  t.strictSame(resultOf(spec, { ...outcome, seen: undefined, error }), nothing, 'before it was observed')
  t.strictSame(resultOf(spec, { ...withLinks(1, 2), error }), nothing, 'the previous rules may still be attached')
})

import t from 'tap'
import { CgroupError } from '../../src/errors.ts'
import { resultOf, type Outcome } from '../../src/systemd/result.ts'

const slice = 'user-5.slice'
const wanted = { slice, limits: { pids: { max: 5 } } }
const seen = { slice, busy: true, limits: { pids: { max: 5 } }, foreign: [] }
const outcome: Outcome = { seen, changed: false, error: undefined, old: [], bpf: true }
const links = (...ids: readonly number[]) =>
  ids.map((id) => ({ id, group: 1n, family: id % 2 === 0 ? ('inet6' as const) : ('inet' as const) }))
const walled = { ...wanted, bind: { allow: [80] } }
const withWalls = (...ids: readonly number[]): Outcome => ({ ...outcome, seen: { ...seen, walls: links(...ids) } })

void t.test('resultOf() tells what the kernel has', async (t) => {
  t.strictSame(resultOf(wanted, outcome), { slice, status: 'applied', changed: false, differences: [], foreign: [] })
  t.match(resultOf(wanted, { ...outcome, seen: { ...seen, busy: false, limits: {} } }), { status: 'armed' })
  t.strictSame(resultOf(wanted, { ...outcome, seen: { ...seen, limits: { pids: { max: 6 } } } }), {
    slice,
    status: 'refused',
    changed: false,
    differences: [{ name: 'pids.max', wanted: '5', observed: '6' }],
    foreign: [],
  })
})

void t.test('resultOf() names the file of a person that wins', async (t) => {
  const foreign = [{ path: '/etc/x.conf', property: 'TasksMax', value: '9', by: 'file' }] as const
  t.match(resultOf(wanted, { ...outcome, seen: { ...seen, foreign } }), {
    status: 'refused',
    error: { message: /x\.conf sets TasksMax=9/ },
  })
})

void t.test('resultOf() tells of walls what the kernel has', async (t) => {
  t.match(resultOf(walled, withWalls(1, 2)), { status: 'applied', bind: 'set' })
  t.match(resultOf(walled, withWalls(1, 2, 3, 4)), { status: 'applied', bind: 'set' }, 'the same one twice')
  t.match(resultOf(walled, { ...withWalls(1, 2, 3, 4), old: [1, 2] }), { status: 'refused', bind: 'stale' })
  t.match(resultOf(walled, withWalls(1)), { status: 'refused', bind: 'absent' }, 'of one family only')
  t.match(resultOf(walled, withWalls()), { status: 'refused', bind: 'absent', error: { code: 'CGROUP_REFUSED' } })
  t.match(resultOf(walled, { ...outcome, bpf: false }), { status: 'applied', bind: 'absent' }, 'no BPF is no fault')
  t.match(resultOf(walled, outcome), { status: 'applied', bind: 'set' }, 'where we may not look')
})

void t.test('resultOf() tells nothing of the walls of a slice that was refused', async (t) => {
  const error = new CgroupError('CGROUP_INVALID', { operation: 'allow to bind', value: '0-0', detail: 'no port' })
  const nothing = { slice, status: 'refused', changed: false, differences: [], foreign: [], error }
  t.strictSame(resultOf(walled, { ...outcome, seen: undefined, error }), nothing, 'before it was looked at')
  t.strictSame(resultOf(walled, { ...withWalls(1, 2), error }), nothing, 'those of before may still stand')
})

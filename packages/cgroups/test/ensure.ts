import { matchWhole } from '@puppy/host/testing'
import t from 'tap'
import { ensureSpec } from '../src/ensure.ts'
import { CgroupError, type CgroupErrorCode } from '../src/errors.ts'

const change = (target: string) => ({ facility: 'cgroups', target, action: 'set' })
const result = (target: string, changed: boolean, code?: CgroupErrorCode) => ({
  target,
  changed,
  ...(code === undefined ? {} : { error: new CgroupError(code, { operation: 'try' }) }),
})
const applied = (...results: readonly ReturnType<typeof result>[]) => {
  const changes = results.flatMap(({ target, changed }) => (changed ? [change(target)] : []))
  return { changed: changes.length > 0, changes, results }
}

void t.test('ensureSpec() applies again after a conflict, and returns the changes of all attempts', async (t) => {
  const turns = [
    applied(result('a', true), result('b', false, 'CGROUP_CONFLICT'), result('c', false)),
    applied(result('a', false), result('b', true), result('c', false)),
  ]
  t.strictSame(await ensureSpec(async () => turns.shift() ?? applied()), {
    changed: true,
    changes: [change('a'), change('b')],
    results: [result('a', true), result('b', true), result('c', false)],
  })
  t.equal(turns.length, 0)
})

void t.test('ensureSpec() applies once without a conflict, and at most three times', async (t) => {
  let count = 0
  const refuse = (code: CgroupErrorCode) => async () => {
    count += 1
    return applied(result('a', false, code))
  }
  matchWhole(t, (await ensureSpec(refuse('CGROUP_REFUSED'))).results, [{ error: { code: 'CGROUP_REFUSED' } }])
  t.equal(count, 1)
  count = 0
  matchWhole(t, (await ensureSpec(refuse('CGROUP_CONFLICT'))).results, [{ error: { code: 'CGROUP_CONFLICT' } }])
  t.equal(count, 3)
  t.strictSame(await ensureSpec(async () => applied()), { changed: false, changes: [], results: [] })
})

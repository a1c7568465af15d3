import type { Applied, Change, ChangeSet, ItemResult } from '@puppy/host'
import t from 'tap'
import { ensureCurrent } from '../src/ensure.ts'
import { AccountError } from '../src/errors.ts'

const change = (target: string): Change => ({ facility: 'accounts', target, action: 'set' })
const stale = (target: string): ItemResult => ({
  target,
  changed: false,
  error: new AccountError('ACCOUNT_STALE', { operation: 'set', target }),
})
const done = (target: string, changed = true): ItemResult => ({ target, changed })

/** Creates a facility whose `apply` returns these lists of results, one after the other. */
function scripted(answers: readonly (readonly ItemResult[])[]) {
  const calls: string[] = []
  let attempt = 0
  return {
    calls,
    read: async (spec: readonly string[]) => (calls.push('read'), spec.slice(attempt)),
    plan: (_spec: readonly string[], observed: readonly string[]): ChangeSet<Change> => {
      calls.push('plan')
      return { changes: observed.map(change), refused: [] }
    },
    apply: async ({ changes }: ChangeSet<Change>): Promise<Applied> => {
      calls.push('apply')
      const results = answers[attempt]!
      attempt += 1
      return { changed: results.some(({ changed }) => changed), changes, results }
    },
  }
}

void t.test('ensureCurrent() reads, plans and applies once when nothing is stale', async (t) => {
  const facility = scripted([[done('a'), done('b', false)]])
  const applied = await ensureCurrent(facility, ['a'], {})
  t.strictSame(facility.calls, ['read', 'plan', 'apply'])
  t.strictSame(applied, { changed: true, changes: [change('a')], results: [done('a'), done('b', false)] })
})

void t.test('ensureCurrent() plans again after a stale result, and reports the changes of both attempts', async (t) => {
  const facility = scripted([
    [done('a'), stale('b')],
    [done('a', false), done('b')],
  ])
  const applied = await ensureCurrent(facility, ['a', 'b'], {})
  t.strictSame(facility.calls, ['read', 'plan', 'apply', 'read', 'plan', 'apply'])
  t.strictSame(applied, { changed: true, changes: [change('a'), change('b')], results: [done('a'), done('b')] })
})

void t.test('ensureCurrent() stops after three attempts and reports what is stale', async (t) => {
  const facility = scripted(Array.from({ length: 5 }, () => [stale('a')]))
  const applied = await ensureCurrent(facility, ['a', 'a', 'a', 'a', 'a'], {})
  t.equal(facility.calls.length, 9)
  t.equal(applied.changed, false)
  t.strictSame(applied.changes, [], 'nothing was performed')
  t.match(applied.results[0]?.error, { code: 'ACCOUNT_STALE' })
})

void t.test('ensureCurrent() does not try again after another error', async (t) => {
  const error = new AccountError('ACCOUNT_NOT_APPLIED', { operation: 'set' })
  const facility = scripted([[{ target: 'a', changed: false, error }]])
  t.equal((await ensureCurrent(facility, ['a'], {})).results[0]?.error, error)
  t.equal(facility.calls.length, 3)
})

import t from 'tap'
import { matchWhole, surplusOf } from './support/match-whole.ts'

void t.test('surplusOf() finds lists, sets and maps with another size than in the pattern, at any depth', async (t) => {
  const rows: readonly (readonly [actual: unknown, pattern: unknown, faults: readonly string[]])[] = [
    [[1], [], ['it has 1 elements, not 0']],
    [[], [1], ['it has 0 elements, not 1']],
    [{ a: [{ b: [1, 2] }] }, { a: [{ b: [1] }] }, ['it.a[0].b has 2 elements, not 1']],
    [{ a: 1 }, { a: [] }, ['it.a is not a list']],
    [new Map([['x', [1]]]), new Map([['x', []]]), ['it.x has 1 elements, not 0']],
    [new Set([1, 2]), new Set([1]), ['it has 2 elements, not 1']],
    [undefined, new Set(), ['it has no elements, not 0']],
    [{ a: 1, b: [2] }, { a: 1 }, []],
    [['text'], [/te/], []],
  ]
  for (const [actual, pattern, faults] of rows) t.strictSame(surplusOf(actual, pattern, 'it'), faults)
})

void t.test('matchWhole() passes when t.match() passes and no element is extra', async (t) => {
  matchWhole(t, { changes: [{ action: 'add', target: 'x' }], more: 1 }, { changes: [{ action: 'add' }] })
})

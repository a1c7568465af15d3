import t from 'tap'
import { parseListing } from '../../src/nft/parse.ts'
import { sameTable } from '../../src/nft/same.ts'

const listing = (elem: readonly unknown[], handle: number, rule: object = {}) =>
  parseListing(
    JSON.stringify({
      nftables: [
        { table: { family: 'inet', name: 'x', handle } },
        { set: { name: 's', type: 'uid', handle, stmt: [{ counter: null }], elem } },
        { rule: { chain: 'c', handle, expr: [{ accept: null }], ...rule } },
      ],
    }),
    'x',
  )
const counted = (val: number, packets: number) => ({ elem: { val, counter: { packets, bytes: packets * 100 } } })

void t.test('sameTable() ignores counters, handles and the order of elements', async (t) => {
  t.ok(sameTable(listing([counted(1, 0), counted(2, 7)], 1), listing([counted(2, 9), counted(1, 3)], 5)))
  t.ok(sameTable(undefined, undefined))
})

void t.test('sameTable() detects different elements, different rules and a missing table', async (t) => {
  const one = listing([counted(1, 0)], 1)
  t.notOk(sameTable(one, listing([], 1)))
  t.notOk(sameTable(one, listing([counted(3, 0)], 1)))
  t.notOk(sameTable(one, listing([counted(1, 0)], 1, { expr: [{ drop: null }] })))
  t.notOk(sameTable(one, listing([counted(1, 0)], 1, { comment: 'c' })))
  t.notOk(sameTable(one, undefined))
  t.notOk(sameTable(undefined, one))
})

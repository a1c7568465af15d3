import t from 'tap'
import { is, isNot, one, pair, payload, range, skuid } from '../../src/rules/statements.ts'

void t.test('expressions have the format of libnftables-json(5)', async (t) => {
  t.strictSame(is(skuid, range(1, 2)), {
    match: { op: '==', left: { meta: { key: 'skuid' } }, right: { range: [1, 2] } },
  })
  t.strictSame(range(7, 7), 7, 'a range of one value is that value')
  t.strictSame(isNot(payload('tcp', 'dport'), one(1, 2)), {
    match: { op: '!=', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: { set: [1, 2] } },
  })
  t.strictSame(pair(skuid, 7), { concat: [skuid, 7] })
})

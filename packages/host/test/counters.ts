import fc from 'fast-check'
import t from 'tap'
import { addReading, anyFell, type Meter } from '../src/counters.ts'

type Two = Meter<'in' | 'out', number>

void t.test('addReading() adds what was counted since the last reading', async (t) => {
  const first = addReading(undefined, { in: 5, out: 7 })
  t.strictSame(first, { total: { in: 5, out: 7 }, last: { in: 5, out: 7 } })
  const second = addReading(first, { in: 6, out: 7 })
  t.strictSame(second, { total: { in: 6, out: 7 }, last: { in: 6, out: 7 } })
  const reset = addReading(second, { in: 2, out: 9 })
  t.strictSame(reset, { total: { in: 8, out: 9 }, last: { in: 2, out: 9 } }, 'one counter was reset')
  const restarted = addReading(second, { in: 2, out: 9 }, true)
  t.strictSame(restarted, { total: { in: 8, out: 16 }, last: { in: 2, out: 9 } }, 'all were')
  t.strictSame(addReading(second, { in: 0, out: 0 }).total, second.total, 'nothing counted yet')
  t.strictSame(addReading(reset, { in: 2, out: 9 }), reset, 'the same reading twice adds nothing')
})

void t.test('addReading() also counts bigints above the safe integers', async (t) => {
  const big = 2n ** 64n
  const meter = addReading(addReading(undefined, { a: big }), { a: big + 1n })
  t.strictSame(addReading(meter, { a: 3n }), { total: { a: big + 4n }, last: { a: 3n } })
})

void t.test('addReading() keeps the total of a missing counter, and starts one for a new counter', async (t) => {
  const meter = { total: { in: 5, out: 1 }, last: { in: 3, out: 1 } }
  t.strictSame(addReading<string, number>(meter, { in: 4, more: 2 }), {
    total: { in: 6, out: 1, more: 2 },
    last: { in: 4, more: 2 },
  })
})

void t.test('addReading() refuses invalid values', async (t) => {
  for (const value of [-1, Number.NaN]) t.throws(() => addReading(undefined, { in: value }), RangeError, `${value}`)
  t.throws(() => addReading(undefined, { a: -1n }), { message: 'The counter a must not be negative, but is -1' })
})

void t.test('anyFell() compares with the last reading', async (t) => {
  t.equal(anyFell({ in: 1, out: 1 }, { in: 1, out: 2 }), false)
  t.equal(anyFell({ in: 1, out: 1 }, { in: 2, out: 0 }), true)
  t.equal(anyFell({ in: 1, out: 1 }, { in: 2, out: 0 }, ['in']), false)
  t.equal(anyFell({}, { in: 0 }), false)
  t.equal(anyFell({ a: 2n }, { a: 1n }), true)
})

void t.test('addReading() never decreases a total, and counts every step between resets once', async () => {
  const step = fc.record({ grow: fc.nat(1000), reset: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let [meter, counter, expected]: [Two | undefined, number, number] = [undefined, 0, 0]
      for (const { grow, reset } of steps) {
        if (reset) counter = 0
        counter += grow
        expected += grow
        const before: number = meter?.total.in ?? 0
        meter = addReading(meter, { in: counter, out: 0 }, reset)
        if (meter.total.in < before) return false
      }
      return (meter?.total.in ?? 0) === expected
    }),
  )
})

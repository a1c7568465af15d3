import fc from 'fast-check'
import t from 'tap'
import { forecast } from '../src/forecast.ts'

const day = 86_400

void t.test('forecast() continues the trend of the samples', async (t) => {
  const line = (used: readonly number[]) => used.map((one, n) => ({ at: n * day, used: one }))
  t.match(forecast(line([10, 20, 30]), 100), { fullIn: 7 * day })
  t.match(forecast(line([10, 20, 30]).toReversed(), 100), { fullIn: 7 * day }, 'in any order')
  const shrinking = forecast(line([30, 20, 10]), 100)
  t.ok(shrinking !== undefined && shrinking.rate < 0 && shrinking.fullIn === undefined, 'usage shrinks')
  t.strictSame(forecast(line([30, 30]), 100), { rate: 0 }, 'usage does not change')
  t.match(forecast(line([50, 100]), 100), { fullIn: 0 })
  t.equal(forecast([], 100), undefined)
  t.equal(
    forecast(
      [
        { at: 5, used: 5 },
        { at: 5, used: 9 },
      ],
      100,
    ),
    undefined,
    'all samples have the same time',
  )
  for (const bad of [Number.NaN, -1, Infinity]) t.throws(() => forecast([{ at: 1, used: bad }], 100), RangeError)
})

void t.test('forecast() never returns a time before now', async () => {
  const sample = fc.record({ at: fc.nat(2 ** 31), used: fc.nat(2 ** 40) })
  fc.assert(
    fc.property(fc.array(sample), fc.nat(2 ** 40), (samples, limit) => (forecast(samples, limit)?.fullIn ?? 0) >= 0),
  )
})

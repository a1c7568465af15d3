import t from 'tap'
import { runsOf } from '../src/category-runs.ts'

void t.test('runsOf() groups consecutive categories', async (t) => {
  t.strictSame(runsOf([]), [])
  t.strictSame(runsOf([1, 2, 4]), [
    [1, 2],
    [4, 4],
  ])
})

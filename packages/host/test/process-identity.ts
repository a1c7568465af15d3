import t from 'tap'
import { assertSignalable } from '../src/process-identity.ts'

void t.test('assertSignalable() refuses process groups and init', async (t) => {
  for (const pid of [1, 0, -1, -42, 1.5, Number.NaN, Infinity])
    t.throws(() => assertSignalable(pid), TypeError, `${pid}`)
  assertSignalable(2)
})

import { matchWhole } from '@puppy/host/testing'
import t from 'tap'
import { rankGroups, type TopReading } from '../../src/usage/top.ts'

const share = (avg10: number) => ({ some: { avg10, avg60: 0, avg300: 0, total: 0n } })
const cpu = (usageUsec: number, nrPeriods = 0, nrThrottled = 0) => ({
  cpu: { usageUsec: BigInt(usageUsec), nrPeriods: BigInt(nrPeriods), nrThrottled: BigInt(nrThrottled) },
})

void t.test('rankGroups() returns the highest score first, with its reason', async (t) => {
  const readings: readonly TopReading[] = [
    { group: 'quiet', now: {}, elapsedUsec: 1e6 },
    { group: 'busy', before: cpu(0), now: cpu(1_000_000), elapsedUsec: 1e6 },
    { group: 'held', before: cpu(0, 10, 5), now: cpu(100_000, 20, 14), elapsedUsec: 1e6 },
    { group: 'thrashing', now: { pressure: { memory: share(95), io: share(10) } }, elapsedUsec: 1e6 },
    { group: 'again', before: cpu(500), now: cpu(100), elapsedUsec: 1e6 },
  ]
  matchWhole(t, rankGroups(readings, 2), [
    { group: 'thrashing', score: 0.95, because: 'memory pressure' },
    { group: 'held', score: 0.9, because: 'throttled', cores: 0.1 },
    { group: 'busy', score: 0.5, because: 'cpu', cores: 1 },
    { group: 'again', score: 0, because: 'quiet', cores: 0 },
    { group: 'quiet', score: 0, because: 'quiet' },
  ])
  t.strictSame(rankGroups([], 1), [])
})

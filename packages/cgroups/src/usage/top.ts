import type { Usage } from './usage.ts'

/** Two readings of a group and the microseconds between them. */
export interface TopReading {
  readonly group: string
  readonly before?: Usage
  readonly now: Usage
  readonly elapsedUsec: number
}

/** How much a group wants and is refused, and how much it makes all wait. */
export interface TopRow {
  readonly group: string
  /** The largest of the shares below, 0 to 1: by it rows are ranked. */
  readonly score: number
  /** What the score comes from. */
  readonly because: 'cpu' | 'cpu pressure' | 'io pressure' | 'memory pressure' | 'throttled' | 'quiet'
  /** Cores' worth of time used between the readings. */
  readonly cores: number
  /** The share of its periods in which it was held back by `cpu.max`. */
  readonly throttled: number
  /** Shares of the last ten seconds in which some of its tasks waited. */
  readonly pressure: { readonly cpu: number; readonly memory: number; readonly io: number }
}

/**
 * Ranks groups by what hurts now, the worst first: waiting for memory, disks and processors, being throttled, using processors.
 * Pure. A group without a reading before is ranked by its pressure alone.
 *
 * @param cores how many the machine has.
 */
export function rankGroups(readings: readonly TopReading[], cores: number): readonly TopRow[] {
  return readings
    .map((reading) => rowOf(reading, cores))
    .toSorted((one, other) => other.score - one.score || other.cores - one.cores || (one.group < other.group ? -1 : 1))
}

function rowOf({ group, before, now, elapsedUsec }: TopReading, machineCores: number): TopRow {
  const used = since(before?.cpu?.usageUsec, now.cpu?.usageUsec)
  const cores = elapsedUsec > 0 ? used / elapsedUsec : 0
  const periods = since(before?.cpu?.nrPeriods, now.cpu?.nrPeriods)
  const throttled = periods === 0 ? 0 : since(before?.cpu?.nrThrottled, now.cpu?.nrThrottled) / periods
  const waiting = (part: 'cpu' | 'memory' | 'io') => (now.pressure?.[part]?.some?.avg10 ?? 0) / 100
  const pressure = { cpu: waiting('cpu'), memory: waiting('memory'), io: waiting('io') }
  const reasons = [
    ['memory pressure', pressure.memory],
    ['io pressure', pressure.io],
    ['throttled', throttled],
    ['cpu pressure', pressure.cpu],
    ['cpu', cores / Math.max(1, machineCores)],
  ] as const
  const [because, score] = reasons.reduce((worst, reason) => (reason[1] > worst[1] ? reason : worst))
  return { group, score: Math.min(1, score), because: score === 0 ? 'quiet' : because, cores, throttled, pressure }
}

/** What was added; nothing when there is no reading before, or the counter began again. */
function since(before: bigint | undefined, now: bigint | undefined): number {
  return before === undefined || now === undefined || now < before ? 0 : Number(now - before)
}

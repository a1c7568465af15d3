import type { Usage } from './usage.ts'

/** Two readings of a group, and the microseconds between them. */
export interface TopReading {
  readonly group: string
  readonly before?: Usage
  readonly now: Usage
  readonly elapsedUsec: number
}

/** The load of a group: how much it uses, how often it is throttled, and how long its tasks wait. */
export interface TopRow {
  readonly group: string
  /** The largest of the shares below, from 0 to 1. Rows are sorted by it. */
  readonly score: number
  /** The share that is the score. */
  readonly because: 'cpu' | 'cpu pressure' | 'io pressure' | 'memory pressure' | 'throttled' | 'quiet'
  /** The average number of cores that it used between the readings. */
  readonly cores: number
  /** The share of its periods in which `cpu.max` throttled it. */
  readonly throttled: number
  /** The shares of the last ten seconds in which some of its tasks waited. */
  readonly pressure: { readonly cpu: number; readonly memory: number; readonly io: number }
}

/**
 * Ranks groups by their score, the highest first. The score is the largest share of waiting for memory, disks or processors, of being
 * throttled, and of using processors. A group without a previous reading is ranked only by its pressure. Pure.
 *
 * @param cores the number of cores of the machine.
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

/** Returns the increase. It is 0 without a previous reading, or when the counter started again. */
function since(before: bigint | undefined, now: bigint | undefined): number {
  return before === undefined || now === undefined || now < before ? 0 : Number(now - before)
}

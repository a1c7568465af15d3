import type { Meter, QuotaReading } from './report.ts'

/**
 * - `threshold`: usage reached a threshold. `percent` is the threshold.
 * - `recovered`: usage is below the lowest threshold again.
 * - `graceStarted`: usage is above the soft limit.
 * - `graceExpired`: usage is above the soft limit and the grace time is over.
 * - `graceEnded`: usage is no longer above the soft limit.
 */
export type QuotaEventType = 'threshold' | 'recovered' | 'graceStarted' | 'graceExpired' | 'graceEnded'

/** A change of the state of one meter. */
export interface QuotaEvent {
  readonly id: number
  readonly of: 'bytes' | 'inodes'
  readonly type: QuotaEventType
  /** The highest threshold that is reached, in percent of the hard limit. Without a hard limit, in percent of the soft limit. */
  readonly percent?: number
}

/** The state that was reported for one meter and has not ended. Store it, as JSON, between two comparisons. */
export interface Reported {
  readonly percent: number
  readonly grace: 'none' | 'running' | 'expired'
}

/** The reported states. The keys are `ID bytes` and `ID inodes`. Meters without a reported state are absent. */
export type ReportedEvents = Readonly<Record<string, Reported>>

/** Options of `findEvents`. */
export interface EventOptions {
  /** Percent, in ascending order. Default: 80, 90, 100. */
  readonly thresholds?: readonly number[]
  /**
   * A threshold ends when usage is more than this many percentage points below it. So usage that varies around a threshold is
   * reported only once. Default: 3.
   */
  readonly hysteresis?: number
}

const quiet: Reported = { percent: 0, grace: 'none' }

/**
 * Compares readings with the reported states and returns the new events. Pure. The same readings a second time return no event. For an id
 * without a reading, all reported states end.
 */
export function findEvents(
  readings: readonly QuotaReading[],
  reported: ReportedEvents,
  { thresholds = [80, 90, 100], hysteresis = 3 }: EventOptions = {},
): { readonly events: readonly QuotaEvent[]; readonly reported: ReportedEvents } {
  const now = new Map<string, Meter>(
    readings.flatMap(({ id, bytes, inodes }) => [[`${id} bytes`, bytes] as const, [`${id} inodes`, inodes] as const]),
  )
  const events: QuotaEvent[] = []
  const next: Record<string, Reported> = {}
  for (const key of new Set([...now.keys(), ...Object.keys(reported)])) {
    const [id, of] = key.split(' ') as [string, 'bytes' | 'inodes']
    const before = reported[key] ?? quiet
    const meter = now.get(key)
    const after = meter === undefined ? quiet : stateOf(meter, before, thresholds, hysteresis)
    const changes = compare(before, after)
    events.push(...changes.map((change) => ({ id: Number(id), of, ...change })))
    if (after.percent > 0 || after.grace !== 'none') next[key] = after
  }
  return { events, reported: next }
}

function stateOf(meter: Meter, before: Reported, thresholds: readonly number[], hysteresis: number): Reported {
  const limit = meter.hard === 'none' ? meter.soft : meter.hard
  const share = limit === 'none' ? 0 : (meter.used / limit) * 100
  // A reported threshold stays reported until usage is below it by more than the hysteresis.
  const reached = thresholds.filter((one) => share >= (one <= before.percent ? one - hysteresis : one))
  const over = meter.soft !== 'none' && meter.used > meter.soft
  // `meter.status` is not enough: at the hard limit it is `hard`, with any grace time.
  const grace = !over ? 'none' : meter.graceLeft === 0 ? 'expired' : 'running'
  return { percent: Math.max(0, ...reached), grace }
}

function compare(before: Reported, after: Reported): readonly Omit<QuotaEvent, 'id' | 'of'>[] {
  const grace = { none: 'graceEnded', running: 'graceStarted', expired: 'graceExpired' } as const
  return [
    ...(after.percent > before.percent ? [{ type: 'threshold' as const, percent: after.percent }] : []),
    ...(after.percent === 0 && before.percent > 0 ? [{ type: 'recovered' as const }] : []),
    ...(after.grace === before.grace ? [] : [{ type: grace[after.grace] }]),
  ]
}

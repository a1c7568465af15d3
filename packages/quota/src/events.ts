import type { Meter, QuotaReading } from './report.ts'

/**
 * - `threshold`: a share of the limit was reached; `percent` says which.
 * - `recovered`: below the lowest share again.
 * - `graceStarted`, `graceExpired`, `graceEnded`: above the soft limit, for too long, and below it again.
 */
export type QuotaEventType = 'threshold' | 'recovered' | 'graceStarted' | 'graceExpired' | 'graceEnded'

export interface QuotaEvent {
  readonly id: number
  readonly of: 'bytes' | 'inodes'
  readonly type: QuotaEventType
  /** The highest threshold that is reached now, in percent of the hard limit, or of the soft one without a hard one. */
  readonly percent?: number
}

/** What was reported of one id and is not over. Keep it, as JSON, between two comparisons. */
export interface Reported {
  readonly percent: number
  readonly grace: 'none' | 'running' | 'expired'
}

/** By `ID bytes` and `ID inodes`. Ids without a reported state are absent. */
export type ReportedEvents = Readonly<Record<string, Reported>>

export interface EventOptions {
  /** Percent, rising. Default 80, 90, 100. */
  readonly thresholds?: readonly number[]
  /** How many percent below a threshold it is over, so that use which swings around it is reported once. Default 3. */
  readonly hysteresis?: number
}

const quiet: Reported = { percent: 0, grace: 'none' }

/**
 * Compares readings with what was reported before. Pure. The same readings a second time give no event. For an id without a reading
 * everything is over.
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
  // A reported threshold stays reported until use is clearly below it.
  const reached = thresholds.filter((one) => share >= (one <= before.percent ? one - hysteresis : one))
  const over = meter.soft !== 'none' && meter.used > meter.soft
  // At the hard limit the status is `hard`, whatever the grace time.
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

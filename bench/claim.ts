/**
 * A measured claim about speed or memory: our result, the floor (the bare tool or the system calls) and the usual way of today, measured in
 * turn in one run.
 */
export interface Claim {
  readonly claim: string
  readonly unit: 'ms' | 'MB'
  readonly ours: number
  readonly floor: number
  readonly today: number
  readonly toFloor: number
  readonly fromToday: number
  /** Further results of the same run. */
  readonly more?: Readonly<Record<string, number>>
  /** Descriptions of the floor and of today's way. */
  readonly floorIs: string
  readonly todayIs: string
}

/** A benchmark with one or more claims. */
export interface Bench {
  readonly claims: readonly string[]
  /** Returns why the benchmark cannot run here, or undefined when it can. */
  cannotRun(): string | undefined
  run(): Promise<readonly Claim[]>
}

/** Returns the value below which this share of the samples is. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Returns the median of the samples. */
export const median = (samples: readonly number[]): number => quantile(samples, 0.5)

/** Creates a claim with its ratios. The measured values are milliseconds. */
export function claimOf(
  name: string,
  measured: { readonly ours: number; readonly floor: number; readonly today: number },
  words: { readonly floorIs: string; readonly todayIs: string; readonly more?: Readonly<Record<string, number>> },
): Claim {
  const rounded = (value: number) => Number(value.toPrecision(3))
  const { ours, floor, today } = measured
  const { more = {}, ...rest } = words
  return {
    claim: name,
    unit: 'ms',
    ours: rounded(ours),
    floor: rounded(floor),
    today: rounded(today),
    toFloor: rounded(ours / floor),
    fromToday: rounded(today / ours),
    more: Object.fromEntries(Object.entries(more).map(([key, value]) => [key, rounded(value)])),
    ...rest,
  }
}

/** Renders a claim as text. */
export function renderClaim({
  claim,
  unit,
  ours,
  floor,
  today,
  toFloor,
  fromToday,
  more = {},
  floorIs,
  todayIs,
}: Claim): string {
  const extra = Object.entries(more).map(([key, value]) => `${key} ${value}`)
  return `${claim}: ours ${ours} ${unit}${extra.length === 0 ? '' : ` (${extra.join(', ')})`}, floor ${floor} ${unit}, today ${today} ${unit}: ${toFloor} x the floor, ${fromToday} x ${unit === 'ms' ? 'faster' : 'less'} than today
    floor: ${floorIs}
    today: ${todayIs}`
}

/** Runs a function and returns its duration in milliseconds. */
export async function time(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

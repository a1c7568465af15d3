/** One claim of speed or memory, measured: ours, the bare tool or system calls, and what people do today, in turn in the same run. */
export interface Claim {
  readonly claim: string
  readonly unit: 'ms' | 'MB'
  readonly ours: number
  readonly floor: number
  readonly today: number
  readonly toFloor: number
  readonly fromToday: number
  /** What else was measured on the way. */
  readonly more?: Readonly<Record<string, number>>
  /** What the floor and today's way were, in words. */
  readonly floorIs: string
  readonly todayIs: string
}

export interface Bench {
  readonly claims: readonly string[]
  /** Why it cannot run here; undefined when it can. */
  cannotRun(): string | undefined
  run(): Promise<readonly Claim[]>
}

/** The value below which this share of the samples lies. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5)

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

export async function time(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

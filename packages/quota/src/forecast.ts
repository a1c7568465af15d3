/** What was used at a time. */
export interface UsageSample {
  /** Seconds since 1970. */
  readonly at: number
  readonly used: number
}

export interface Forecast {
  /** Bytes or inodes per second. Negative when use shrinks. */
  readonly rate: number
  /** Seconds from the newest sample until the limit is reached, 0 when it is. Absent when use does not grow. */
  readonly fullIn?: number
}

/**
 * Computes when a limit is reached if use goes on as in the samples: a straight line by least squares from the newest sample. Pure.
 * Undefined without two samples at different times.
 *
 * @throws RangeError when a number is not finite or negative.
 */
export function forecast(samples: readonly UsageSample[], limit: number): Forecast | undefined {
  const numbers = [limit, ...samples.flatMap(({ at, used }) => [at, used])]
  const bad = numbers.find((number) => !Number.isFinite(number) || number < 0)
  if (bad !== undefined) throw new RangeError(`A time, use or limit is a finite number from 0, not ${bad}`)
  const newest = samples.toSorted((one, other) => one.at - other.at).at(-1)
  const rate = slopeOf(samples)
  if (newest === undefined || rate === undefined) return undefined
  if (newest.used >= limit) return { rate, fullIn: 0 }
  return rate > 0 ? { rate, fullIn: (limit - newest.used) / rate } : { rate }
}

function slopeOf(samples: readonly UsageSample[]): number | undefined {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value / values.length, 0)
  const [at, used] = [mean(samples.map((one) => one.at)), mean(samples.map((one) => one.used))]
  const spread = samples.reduce((sum, one) => sum + (one.at - at) ** 2, 0)
  if (spread === 0) return undefined
  return samples.reduce((sum, one) => sum + (one.at - at) * (one.used - used), 0) / spread
}

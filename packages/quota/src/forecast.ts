/** The usage at one point in time. */
export interface UsageSample {
  /** Seconds since 1970. */
  readonly at: number
  readonly used: number
}

/** The trend of the usage of one meter. */
export interface Forecast {
  /** Bytes or inodes per second. Negative when usage shrinks. */
  readonly rate: number
  /** Seconds from the newest sample until the limit is reached. 0 when it is reached already. Absent when usage does not grow. */
  readonly fullIn?: number
}

/**
 * Computes when a limit is reached if usage continues as in the samples. It fits a straight line by least squares and continues it from
 * the newest sample. Returns undefined without two samples at different times. Pure.
 *
 * @throws RangeError when a number is negative or not finite.
 */
export function forecast(samples: readonly UsageSample[], limit: number): Forecast | undefined {
  const numbers = [limit, ...samples.flatMap(({ at, used }) => [at, used])]
  const bad = numbers.find((number) => !Number.isFinite(number) || number < 0)
  if (bad !== undefined)
    throw new RangeError(`Cannot compute a forecast: times, usage and limit must be finite numbers from 0, not ${bad}`)
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

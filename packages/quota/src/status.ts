import type { Limits } from './limits.ts'

/**
 * - `ok`: usage is at or below the soft limit.
 * - `soft`: usage is above the soft limit, within the grace time.
 * - `expired`: usage is above the soft limit and the grace time is over. Writes fail.
 * - `hard`: usage is at the hard limit. Writes fail.
 */
export type QuotaStatus = 'ok' | 'soft' | 'expired' | 'hard'

/** Computes the status from the numbers by the rules of the kernel. @param now seconds since 1970. */
export function statusOf(
  { used, soft, hard, graceEnds }: Limits & { readonly used: number; readonly graceEnds?: number },
  now: number,
): QuotaStatus {
  if (hard !== 'none' && used >= hard) return 'hard'
  if (soft === 'none' || used <= soft) return 'ok'
  return graceEnds !== undefined && graceEnds <= now ? 'expired' : 'soft'
}

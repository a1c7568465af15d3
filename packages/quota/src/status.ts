import type { Limits } from './limits.ts'

/**
 * - `ok`: at or below the soft limit.
 * - `soft`: above it, in the grace time.
 * - `expired`: above it, and the grace time is over: nothing more can be written.
 * - `hard`: at the hard limit: nothing more can be written.
 */
export type QuotaStatus = 'ok' | 'soft' | 'expired' | 'hard'

/** Computes the status from the numbers, as the kernel decides. @param now seconds since 1970. */
export function statusOf(
  { used, soft, hard, graceEnds }: Limits & { readonly used: number; readonly graceEnds?: number },
  now: number,
): QuotaStatus {
  if (hard !== 'none' && used >= hard) return 'hard'
  if (soft === 'none' || used <= soft) return 'ok'
  return graceEnds !== undefined && graceEnds <= now ? 'expired' : 'soft'
}

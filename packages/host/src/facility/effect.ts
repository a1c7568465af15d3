import type { Reach, RunOptions } from '../command.ts'

/** Options that every function with an effect takes. */
export interface EffectOptions {
  /** Ends the effect. What was begun is as it was before, or is converged by the next call. */
  readonly signal?: AbortSignal
  /** Milliseconds for each program that is run and each wait, not for the whole call. Default `effectTimeout`. */
  readonly timeout?: number
}

/**
 * Milliseconds that one program or wait gets by default, in every facility.
 *
 * Ending a program too early leaves work for the next call; waiting too long only delays one. A policy transaction takes 40 seconds on a
 * slow machine, so this is three times that.
 */
export const effectTimeout = 120_000

/** Returns the options of `Host.run` for a program with this reach: the caller's signal, its timeout or the default. */
export function runOptions(touches: Reach, options: EffectOptions = {}, more: Partial<RunOptions> = {}): RunOptions {
  const { signal, timeout = effectTimeout } = options
  return { touches, timeout, ...(signal === undefined ? {} : { signal }), ...more }
}

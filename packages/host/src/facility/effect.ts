import type { Reach, RunOptions } from '../command.ts'

/** Options of every function with an effect. */
export interface EffectOptions {
  /** Aborts the call. Afterwards the state is the old one, or the next call converges it. */
  readonly signal?: AbortSignal
  /** Milliseconds for each program and each wait, not for the whole call. Default `effectTimeout`. */
  readonly timeout?: number
}

/**
 * The default timeout in milliseconds of one program or wait, in every facility.
 *
 * Terminating a program too early leaves work for the next call. Waiting too long only delays one call. A policy transaction takes 40
 * seconds on a slow machine, and this is three times as long.
 */
export const effectTimeout = 120_000

/** Returns options for `Host.run`: this reach, the signal of the caller, and its timeout or the default. Pure. */
export function runOptions(touches: Reach, options: EffectOptions = {}, more: Partial<RunOptions> = {}): RunOptions {
  const { signal, timeout = effectTimeout } = options
  return { touches, timeout, ...(signal === undefined ? {} : { signal }), ...more }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { effectTimeout, type EffectOptions } from './facility/effect.ts'

/** Options of `waitFor`. */
export interface WaitOptions extends EffectOptions {
  /** The longest pause between two calls, in milliseconds. Default 50. */
  readonly longestPause?: number
}

/**
 * Calls `ask` until it returns a value other than `undefined` and `false`, and returns that value. Returns undefined after the timeout.
 *
 * The first pause is one millisecond, and each further pause is twice as long. `ask` is called at least once, and a last time after the
 * timeout. `p-wait-for` does not fit: it polls at a fixed interval, and after its timeout it leaves a running call behind.
 *
 * @throws the reason of the signal once it is aborted; every error of `ask`
 */
export async function waitFor<Value>(
  ask: () => Promise<Value> | Value,
  { signal, timeout = effectTimeout, longestPause = 50 }: WaitOptions = {},
): Promise<Exclude<Value, undefined | false> | undefined> {
  const end = performance.now() + timeout
  for (let pause = 1; ; pause = Math.min(pause * 2, longestPause)) {
    signal?.throwIfAborted()
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer as Exclude<Value, undefined | false>
    const left = end - performance.now()
    if (left <= 0) return undefined
    await sleepUnlessAborted(Math.min(pause, left), signal)
  }
}

/** An aborted sleep of Node rejects with an AbortError that has the reason as its cause. This function throws the reason itself. */
async function sleepUnlessAborted(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { effectTimeout, type EffectOptions } from './facility/effect.ts'

/** Options of `waitFor`. */
export interface WaitOptions extends EffectOptions {
  /** Milliseconds between two questions at the most. Default 50. */
  readonly longestPause?: number
}

/**
 * Asks until the answer is something other than `undefined` and `false`, and returns it; undefined when time is up.
 *
 * It pauses one millisecond after the first question and twice as long after each further one. It asks at least once, and a last time when
 * time is up. This is not `p-wait-for`, which asks at a fixed interval and leaves a question that is still open behind when its time is up.
 *
 * @throws the reason of the signal once it is aborted; whatever `ask` throws
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

/** An aborted sleep of Node throws an error of its own, with the reason as its cause. */
async function sleepUnlessAborted(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

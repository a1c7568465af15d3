import { setTimeout as sleep } from 'node:timers/promises'
import { HaproxyError } from './errors.ts'

export interface WaitOptions {
  /** What is waited for, as a verb with its object. */
  readonly operation: string
  /** Milliseconds. */
  readonly timeout: number
  readonly signal?: AbortSignal
}

/**
 * Asks again every 20 milliseconds until the answer is not undefined, or time is up (undefined). It asks at least once.
 *
 * @throws HaproxyError `HAPROXY_ABORTED`; whatever `ask` throws.
 */
export async function waitFor<Value>(
  ask: () => Promise<Value | undefined>,
  options: WaitOptions,
): Promise<Value | undefined> {
  const until = performance.now() + options.timeout
  for (;;) {
    if (options.signal?.aborted === true) {
      throw new HaproxyError('HAPROXY_ABORTED', { operation: options.operation, detail: 'the caller gave up' })
    }
    const answer = await ask()
    if (answer !== undefined || performance.now() >= until) return answer
    await sleep(20)
  }
}

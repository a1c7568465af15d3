import { waitFor as wait, type WaitOptions } from '@puppy/host'
import { HaproxyError } from './errors.ts'

/** Options of `waitFor`. */
export interface HaproxyWaitOptions extends WaitOptions {
  /** What is waited for, as a verb with its object. */
  readonly operation: string
}

/** Waits as `waitFor` of `@puppy/host` does. @throws HaproxyError `HAPROXY_ABORTED` once the signal is aborted */
export async function waitFor<Value>(
  ask: () => Promise<Value>,
  { operation, ...options }: HaproxyWaitOptions,
): Promise<Exclude<Value, undefined | false> | undefined> {
  try {
    return await wait(ask, { longestPause: 20, ...options })
  } catch (cause) {
    if (options.signal?.aborted !== true || cause !== options.signal.reason) throw cause
    throw new HaproxyError('HAPROXY_ABORTED', { operation, detail: 'the caller gave up', cause })
  }
}

import { waitFor as wait, type WaitOptions } from '@puppy/host'
import { HaproxyError } from './errors.ts'

/** Options of `waitFor`. */
export interface HaproxyWaitOptions extends WaitOptions {
  /** What is attempted, as a verb with its object. The error names it. */
  readonly operation: string
}

/** Waits like `waitFor` of `@puppy/host`. @throws HaproxyError `HAPROXY_ABORTED` when the signal is aborted */
export async function waitFor<Value>(
  ask: () => Promise<Value>,
  { operation, ...options }: HaproxyWaitOptions,
): Promise<Exclude<Value, undefined | false> | undefined> {
  try {
    return await wait(ask, { longestPause: 20, ...options })
  } catch (cause) {
    if (options.signal?.aborted !== true || cause !== options.signal.reason) throw cause
    throw new HaproxyError('HAPROXY_ABORTED', { operation, detail: 'the caller aborted it', cause })
  }
}

import { FacilityError, renderFacts, type FacilityErrorFacts } from '@puppy/host'

/** A stable word for a kind of failure. Its meaning never changes. `docs/errors.md` explains each code. */
export type HaproxyErrorCode =
  | 'HAPROXY_ABORTED'
  | 'HAPROXY_ADDRESS_IN_USE'
  | 'HAPROXY_CERTIFICATE_INVALID'
  | 'HAPROXY_COMMAND_REFUSED'
  | 'HAPROXY_CONFIG_INVALID'
  | 'HAPROXY_MOVED'
  | 'HAPROXY_NOT_ENCODABLE'
  | 'HAPROXY_NOT_INSTALLED'
  | 'HAPROXY_NOT_RUNNING'
  | 'HAPROXY_READBACK_DIFFERS'
  | 'HAPROXY_RELOAD_FAILED'
  | 'HAPROXY_REPLY_INCOMPLETE'
  | 'HAPROXY_REPLY_UNKNOWN'
  | 'HAPROXY_ROUTE_INVALID'
  | 'HAPROXY_SETTINGS_INVALID'
  | 'HAPROXY_START_FAILED'
  | 'HAPROXY_STOP_FAILED'
  | 'HAPROXY_TIMEOUT'
  | 'HAPROXY_UNSUPPORTED'

/**
 * The error of this package: HAProxy, its runtime socket or one of its files refused an operation, or its answer was unexpected.
 * Match on `code`.
 */
export class HaproxyError extends FacilityError<HaproxyErrorCode> {
  static {
    this.prototype.name = 'HaproxyError'
  }

  constructor(code: HaproxyErrorCode, facts: FacilityErrorFacts) {
    super(code, facts, renderFacts(facts, 'HAProxy'))
  }
}

/** Returns whether an error is a `HaproxyError` with this code. */
export function isHaproxyError(error: unknown, code: HaproxyErrorCode): error is HaproxyError {
  return error instanceof HaproxyError && error.code === code
}

/** Joins messages of HAProxy into one text for `facts.said`. */
export function joinMessages(messages: readonly string[]): string {
  return messages.join(' | ')
}

/** Throws when the caller aborted the operation. @throws HaproxyError `HAPROXY_ABORTED` */
export function assertNotAborted(signal: AbortSignal | undefined, operation: string): void {
  if (signal?.aborted !== true) return
  throw new HaproxyError('HAPROXY_ABORTED', { operation, detail: 'the caller aborted it', cause: signal.reason })
}

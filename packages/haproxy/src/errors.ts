import { quoted, sentenceOf } from '@puppy/host'

/** What went wrong, as a word that never changes its meaning. One line for each stands in `docs/errors.md`. */
export type HaproxyErrorCode =
  | 'HAPROXY_ABORTED'
  | 'HAPROXY_ADDRESS_IN_USE'
  | 'HAPROXY_CERTIFICATE_INVALID'
  | 'HAPROXY_COMMAND_REFUSED'
  | 'HAPROXY_CONFIG_INVALID'
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

/** The facts of a failure; the message is a sentence made from them. */
export interface HaproxyErrorFacts {
  /** What was attempted, as a verb with its object: `add map`, `reload HAProxy`. */
  readonly operation: string
  /** The file or socket it was attempted on. */
  readonly path?: string
  /** The offending value, shown quoted and cut. */
  readonly value?: string
  /** What HAProxy said, its own words. */
  readonly said?: readonly string[]
  /** What happened and, where there is something, what would help. */
  readonly detail?: string
  readonly cause?: unknown
}

/** HAProxy, its socket or what it was given refused or surprised us. Match on `code`. */
export class HaproxyError extends Error {
  static {
    this.prototype.name = 'HaproxyError'
  }

  readonly code: HaproxyErrorCode
  readonly facts: Omit<HaproxyErrorFacts, 'cause'>

  constructor(code: HaproxyErrorCode, { cause, ...facts }: HaproxyErrorFacts) {
    super(sentence(facts), cause === undefined ? undefined : { cause })
    this.code = code
    this.facts = facts
  }
}

/** Whether an error is ours and has this code. */
export function isHaproxyError(error: unknown, code: HaproxyErrorCode): error is HaproxyError {
  return error instanceof HaproxyError && error.code === code
}

function sentence(facts: HaproxyErrorFacts): string {
  const target = facts.path === undefined ? '' : ` ${JSON.stringify(facts.path)}`
  const value = facts.value === undefined ? '' : ` ${quoted(facts.value)}`
  return sentenceOf(`${facts.operation}${target}${value}`, [
    facts.detail,
    facts.said === undefined || facts.said.length === 0 ? undefined : `HAProxy said: ${facts.said.join(' | ')}`,
  ])
}

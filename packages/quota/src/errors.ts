import { quoted, sentenceOf } from '@puppy/host'

/** What went wrong, as a word that never changes its meaning. One line for each stands in `docs/errors.md`. */
export type QuotaErrorCode =
  | 'QUOTA_BELOW_USAGE'
  | 'QUOTA_INVALID'
  | 'QUOTA_MISMATCH'
  | 'QUOTA_MOVED'
  | 'QUOTA_NOT_INSTALLED'
  | 'QUOTA_OFF'
  | 'QUOTA_REFUSED'
  | 'QUOTA_TIMEOUT'
  | 'QUOTA_UNREADABLE'
  | 'QUOTA_UNSUPPORTED'

/** The facts of a failure; the message is a sentence made from them. */
export interface QuotaErrorFacts {
  /** What was attempted, as a verb with its object: `set the limits of user`. */
  readonly operation: string
  /** The mount, path, id or setting it was attempted on. */
  readonly target?: string
  /** The offending value, shown quoted and cut. */
  readonly value?: string
  /** What the tool said, its own words. */
  readonly said?: string
  /** What happened and, where there is something, what would help. */
  readonly detail?: string
  /** What turns it on, one command or act after the other; never done by us. */
  readonly steps?: readonly string[]
  readonly cause?: unknown
}

/** The quota tools, the file system, or what they were given, refused or surprised us. Match on `code`. */
export class QuotaError extends Error {
  static {
    this.prototype.name = 'QuotaError'
  }

  readonly code: QuotaErrorCode
  readonly facts: Omit<QuotaErrorFacts, 'cause'>

  constructor(code: QuotaErrorCode, { cause, ...facts }: QuotaErrorFacts) {
    super(sentence(facts), cause === undefined ? undefined : { cause })
    this.code = code
    this.facts = facts
  }
}

function sentence(facts: QuotaErrorFacts): string {
  const target = facts.target === undefined ? '' : ` ${quoted(facts.target)}`
  const value = facts.value === undefined ? '' : ` ${quoted(facts.value)}`
  return sentenceOf(`${facts.operation}${target}${value}`, [
    facts.detail,
    facts.said === undefined || facts.said === '' ? undefined : `it said: ${facts.said}`,
    facts.steps === undefined ? undefined : `to turn it on: ${facts.steps.join(', then ')}`,
  ])
}

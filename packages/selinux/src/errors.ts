import { quoted, sentenceOf } from '@puppy/host'

/** What went wrong, as a word that never changes its meaning. One line for each stands in `docs/errors.md`. */
export type SelinuxErrorCode =
  | 'SELINUX_BROKEN'
  | 'SELINUX_DISABLED'
  | 'SELINUX_INVALID'
  | 'SELINUX_LOCKED'
  | 'SELINUX_MISMATCH'
  | 'SELINUX_NOT_INSTALLED'
  | 'SELINUX_NO_PREVIOUS'
  | 'SELINUX_NO_SPACE'
  | 'SELINUX_REFUSED'
  | 'SELINUX_ROLLED_BACK'
  | 'SELINUX_TIMEOUT'
  | 'SELINUX_UNREADABLE'

/** The facts of a failure; the message is a sentence made from them. */
export interface SelinuxErrorFacts {
  /** What was attempted, as a verb with its object: `install the policy modules`. */
  readonly operation: string
  /** The store, file, module or process it was attempted on. */
  readonly target?: string
  /** The offending value, shown quoted and cut. */
  readonly value?: string
  /** What the tool said, its own words. */
  readonly said?: string
  /** What happened and, where there is something, what would help. */
  readonly detail?: string
  readonly cause?: unknown
}

/** The policy, its tools, the kernel, or what they were given, refused or surprised us. Match on `code`. */
export class SelinuxError extends Error {
  static {
    this.prototype.name = 'SelinuxError'
  }

  readonly code: SelinuxErrorCode
  readonly facts: Omit<SelinuxErrorFacts, 'cause'>

  constructor(code: SelinuxErrorCode, { cause, ...facts }: SelinuxErrorFacts) {
    super(sentence(facts), cause === undefined ? undefined : { cause })
    this.code = code
    this.facts = facts
  }
}

function sentence(facts: SelinuxErrorFacts): string {
  const target = facts.target === undefined ? '' : ` ${quoted(facts.target)}`
  const value = facts.value === undefined ? '' : ` ${quoted(facts.value)}`
  return sentenceOf(`${facts.operation}${target}${value}`, [
    facts.detail,
    facts.said === undefined || facts.said === '' ? undefined : `it said: ${facts.said}`,
  ])
}

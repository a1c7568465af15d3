/** What went wrong, as a word that never changes its meaning. One line for each stands in `docs/errors.md`. */
export type AccountErrorCode =
  | 'ACCOUNT_ENVIRONMENT_INVALID'
  | 'ACCOUNT_KEY_INVALID'
  | 'ACCOUNT_PROGRAM_MISSING'
  | 'ACCOUNT_SSHD_REFUSED'

/** The facts of a failure; the message is a sentence made from them. */
export interface AccountErrorFacts {
  /** What was attempted, as a verb with its object: `read the ssh key`. */
  readonly operation: string
  /** The file, program or variable it was attempted on. */
  readonly target?: string
  /** What happened and, where there is something, what would help. */
  readonly detail: string
  readonly cause?: unknown
}

/** Something about accounts is not as it must be. Match on `code`. */
export class AccountError extends Error {
  static {
    this.prototype.name = 'AccountError'
  }

  readonly code: AccountErrorCode
  readonly facts: Omit<AccountErrorFacts, 'cause'>

  constructor(code: AccountErrorCode, { cause, ...facts }: AccountErrorFacts) {
    super(sentence(facts), cause === undefined ? undefined : { cause })
    this.code = code
    this.facts = facts
  }
}

function sentence({ operation, target, detail }: AccountErrorFacts): string {
  return `Cannot ${operation}${target === undefined ? '' : ` ${JSON.stringify(target)}`}: ${detail}`
}

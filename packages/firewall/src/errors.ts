import { quoted, sentenceOf } from '@puppy/host'

/** What went wrong, as a word that never changes its meaning. One line for each stands in `docs/errors.md`. */
export type FirewallErrorCode =
  | 'FIREWALL_CONFLICT'
  | 'FIREWALL_INVALID'
  | 'FIREWALL_NOT_INSTALLED'
  | 'FIREWALL_REFUSED'
  | 'FIREWALL_TIMEOUT'
  | 'FIREWALL_TOO_OLD'
  | 'FIREWALL_UNATTENDED'
  | 'FIREWALL_UNREADABLE'

/** The facts of a failure; the message is a sentence made from them. */
export interface FirewallErrorFacts {
  /** What was attempted, as a verb with its object: `load the table`. */
  readonly operation: string
  /** The table, set, setting or file it was attempted on. */
  readonly target?: string
  /** The offending value, shown quoted and cut. */
  readonly value?: string
  /** What nft said, its own words. */
  readonly said?: string
  /** What happened and, where there is something, what would help. */
  readonly detail?: string
  readonly cause?: unknown
}

/** nftables, or what it was given, refused or surprised us. Match on `code`. */
export class FirewallError extends Error {
  static {
    this.prototype.name = 'FirewallError'
  }

  readonly code: FirewallErrorCode
  readonly facts: Omit<FirewallErrorFacts, 'cause'>

  constructor(code: FirewallErrorCode, { cause, ...facts }: FirewallErrorFacts) {
    super(sentence(facts), cause === undefined ? undefined : { cause })
    this.code = code
    this.facts = facts
  }
}

function sentence(facts: FirewallErrorFacts): string {
  const target = facts.target === undefined ? '' : ` ${JSON.stringify(facts.target)}`
  const value = facts.value === undefined ? '' : ` ${quoted(facts.value)}`
  return sentenceOf(`${facts.operation}${target}${value}`, [
    facts.detail,
    facts.said === undefined || facts.said === '' ? undefined : `nft said: ${facts.said}`,
  ])
}

import { printable, printableLines } from '../printable.ts'
import { quoted, sentenceOf } from '../sentence.ts'

/** The facts of a failure. The message is a sentence made from them. */
export interface FacilityErrorFacts {
  /** The attempted operation, as a verb with its object: `set the limits of user`. */
  readonly operation: string
  /** The object of the operation: a user, group, file, table, mount or setting. */
  readonly target?: string
  /** The invalid value. The message quotes it and cuts it after 200 characters. */
  readonly value?: string
  /** The errno that the kernel returned, by name: `EBUSY`. */
  readonly errno?: string
  /** Why the operation failed and, where possible, what to do. */
  readonly detail?: string
  /** The output of the tool, unchanged. */
  readonly said?: string
  /** Commands or actions that enable the operation, in order. The library never runs them. */
  readonly steps?: readonly string[]
  readonly cause?: unknown
}

/**
 * The base of the error class of each package: the machine refused an operation or returned an unexpected result. Match on `code`, which is
 * stable.
 *
 * Invalid arguments of a caller are a built-in `TypeError` or `RangeError` instead.
 */
export abstract class FacilityError<
  Code extends string = string,
  Facts extends FacilityErrorFacts = FacilityErrorFacts,
> extends Error {
  readonly code: Code
  readonly facts: Omit<Facts, 'cause'>

  protected constructor(code: Code, { cause, ...facts }: Facts, message: string) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.facts = facts
  }
}

/**
 * Renders the facts of a failure as one sentence: what was attempted, on what, why it failed and what to do. Escapes what is not printable,
 * because facts contain names that users choose. Keeps the lines of `said`. Pure.
 *
 * @param speaker the source of `facts.said`: `nft`, `systemd`
 */
export function renderFacts(facts: FacilityErrorFacts, speaker: string): string {
  const target = facts.target === undefined ? '' : ` ${quoted(facts.target)}`
  const value = facts.value === undefined ? '' : `, value ${quoted(facts.value)}`
  return sentenceOf(`${printable(facts.operation)}${target}${value}`, [
    facts.errno === undefined ? undefined : `the kernel answered ${facts.errno}`,
    facts.detail === undefined ? undefined : printable(facts.detail),
    facts.said === undefined || facts.said === '' ? undefined : `${speaker} reported: ${printableLines(facts.said)}`,
    facts.steps === undefined || facts.steps.length === 0
      ? undefined
      : `to enable it: ${printable(facts.steps.join(', then '))}`,
  ])
}

/** Returns whether `cause` is the error itself or an error in its chain of causes. Pure. */
export function isCausedBy(error: unknown, cause: unknown): boolean {
  if (error === cause) return true
  if (!(error instanceof Error)) return false
  if (error instanceof AggregateError && error.errors.some((inner) => isCausedBy(inner, cause))) return true
  return error.cause !== undefined && isCausedBy(error.cause, cause)
}

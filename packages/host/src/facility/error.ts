import { quoted, sentenceOf } from '../sentence.ts'

/** The facts of a failure. The message is a sentence made from them. */
export interface FacilityErrorFacts {
  /** What was attempted, as a verb with its object: `set the limits of user`. */
  readonly operation: string
  /** The user, group, file, table, mount or setting that it was attempted on. */
  readonly target?: string
  /** The offending value. The message quotes it and cuts it after 200 characters. */
  readonly value?: string
  /** What the kernel answered, as the name of an errno: `EBUSY`. */
  readonly errno?: string
  /** What happened and, where something helps, what to do. */
  readonly detail?: string
  /** What the tool printed, in its own words. */
  readonly said?: string
  /** What enables the operation, one command or act after the other. This library never runs them. */
  readonly steps?: readonly string[]
  readonly cause?: unknown
}

/**
 * The base of the one error class of each package: the machine refused an operation, or its answer was unexpected. Match on `code`, which never
 * changes its meaning.
 *
 * A caller's mistake in the arguments is a built-in `TypeError` or `RangeError` instead.
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
 * Renders the facts of a failure as one sentence: what was attempted, on what, why it failed and what to do. Pure.
 *
 * @param speaker whose words `facts.said` are: `nft`, `systemd`
 */
export function renderFacts(facts: FacilityErrorFacts, speaker: string): string {
  const target = facts.target === undefined ? '' : ` ${quoted(facts.target)}`
  const value = facts.value === undefined ? '' : `, value ${quoted(facts.value)}`
  return sentenceOf(`${facts.operation}${target}${value}`, [
    facts.errno === undefined ? undefined : `the kernel answered ${facts.errno}`,
    facts.detail,
    facts.said === undefined || facts.said === '' ? undefined : `${speaker} said: ${facts.said}`,
    facts.steps === undefined || facts.steps.length === 0 ? undefined : `to enable it: ${facts.steps.join(', then ')}`,
  ])
}

/** Returns whether an error, or any error that caused it, is this cause. Pure. */
export function isCausedBy(error: unknown, cause: unknown): boolean {
  if (error === cause) return true
  if (!(error instanceof Error)) return false
  if (error instanceof AggregateError && error.errors.some((inner) => isCausedBy(inner, cause))) return true
  return error.cause !== undefined && isCausedBy(error.cause, cause)
}

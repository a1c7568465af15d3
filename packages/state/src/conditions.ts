import { printableLines } from '@puppy/host/errors'

/** What one facility reports about one account, domain or host. */
export interface Condition {
  /** The facility, or what it observed: `accounts`, `haproxy`, `slot`, `ports`. */
  readonly type: string
  /** `unknown`: the facility has not tried to apply the spec, for instance in a dry run. */
  readonly status: 'true' | 'false' | 'unknown'
  /** One word in lower_snake, for programs. */
  readonly reason: string
  /** A sentence for people. Absent when the reason is enough. */
  readonly message?: string
  /** When status or reason last changed, RFC 3339. */
  readonly at: string
}

export type Verdict = Omit<Condition, 'at'>

/**
 * Returns new verdicts as conditions. The time of a condition changes only with its status or reason. Escapes what is not printable in
 * messages, which admins read in a terminal. Pure.
 */
export function updateConditions(
  before: readonly Condition[],
  verdicts: readonly Verdict[],
  now: Date,
): readonly Condition[] {
  return verdicts.map(({ message, ...verdict }) => {
    const old = before.find(({ type }) => type === verdict.type)
    const same = old !== undefined && old.status === verdict.status && old.reason === verdict.reason
    const shown = message === undefined ? {} : { message: printableLines(message) }
    return { ...verdict, ...shown, at: same ? old.at : now.toISOString() }
  })
}

export interface Observed {
  readonly generation: number
  readonly observedGeneration: number
  readonly conditions: readonly Condition[]
}

/** Returns whether the host has observed the newest spec, with success or not. */
export function looked(thing: Observed): boolean {
  return thing.observedGeneration >= thing.generation
}

/** Returns whether the host has observed the newest spec, every condition is true, and no required facility is missing. */
export function ready(thing: Observed, missing: readonly string[], required: readonly string[]): boolean {
  const willing = thing.conditions.length > 0 && thing.conditions.every(({ status }) => status === 'true')
  return looked(thing) && willing && !required.some((facility) => missing.includes(facility))
}

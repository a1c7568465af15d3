/** What one facility says of one thing. */
export interface Condition {
  /** The facility, or what it looked at: `accounts`, `haproxy`, `slot`, `ports`. */
  readonly type: string
  /** `unknown`: nobody has done anything about it yet, as in a dry run. */
  readonly status: 'true' | 'false' | 'unknown'
  /** One word, lower_snake, for programs. */
  readonly reason: string
  /** A sentence for people; absent when the reason says it all. */
  readonly message?: string
  /** When status or reason last changed, RFC 3339. */
  readonly at: string
}

export type Verdict = Omit<Condition, 'at'>

/** New verdicts as conditions: the time moves only when status or reason did. */
export function updateConditions(
  before: readonly Condition[],
  verdicts: readonly Verdict[],
  now: Date,
): readonly Condition[] {
  return verdicts.map((verdict) => {
    const old = before.find(({ type }) => type === verdict.type)
    const same = old !== undefined && old.status === verdict.status && old.reason === verdict.reason
    return { ...verdict, at: same ? old.at : now.toISOString() }
  })
}

export interface Observed {
  readonly generation: number
  readonly observedGeneration: number
  readonly conditions: readonly Condition[]
}

/** Whether the host has observed the newest spec, whatever it found. */
export function looked(thing: Observed): boolean {
  return thing.observedGeneration >= thing.generation
}

/** Whether every facility that took part says yes, and none that is required is missing. */
export function ready(thing: Observed, missing: readonly string[], required: readonly string[]): boolean {
  const willing = thing.conditions.length > 0 && thing.conditions.every(({ status }) => status === 'true')
  return looked(thing) && willing && !required.some((facility) => missing.includes(facility))
}

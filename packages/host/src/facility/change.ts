import type { FacilityError } from './error.ts'

/** One planned difference between spec and observation, as a value to show before anything happens. */
export interface Change {
  /** The package that plans it: `quota`. */
  readonly facility: string
  /** The user, slice, file, table or module that changes: `user 10001`. */
  readonly target: string
  /** What happens to it, as a verb in the imperative: `add`, `set`, `remove`. */
  readonly action: string
  /** What is there now, as text to show. Absent: nothing, or nothing was read. */
  readonly before?: string
  /** What will be there. Absent: nothing. */
  readonly after?: string
  /** A command with the same effect, for a person to run. The library does not run it this way. */
  readonly command?: string
}

/** An item of the spec that cannot be. Its neighbours go on. */
export interface Refused<Failure extends FacilityError = FacilityError> {
  readonly target: string
  readonly error: Failure
}

/**
 * The differences between a spec and an observation: exactly what `apply` performs. A facility adds what it needs to perform them.
 *
 * Applying a change set whose `changes` are empty runs no program and writes no file.
 */
export interface ChangeSet<Planned extends Change = Change, Failure extends FacilityError = FacilityError> {
  readonly changes: readonly Planned[]
  readonly refused: readonly Refused<Failure>[]
}

/** What became of one item of the spec, read back from the machine. */
export interface ItemResult<Failure extends FacilityError = FacilityError> {
  /** As in `Change`. */
  readonly target: string
  /** Whether applying changed it. */
  readonly changed: boolean
  /** Why it is not as the spec says. Absent: it is. */
  readonly error?: Failure
}

/** What became of a change set. */
export interface Applied<Result extends ItemResult = ItemResult, Planned extends Change = Change> {
  readonly changed: boolean
  /** The changes of the change set that was applied. */
  readonly changes: readonly Planned[]
  /** One for each item of the spec, the unchanged and the refused ones too. */
  readonly results: readonly Result[]
}

import type { FacilityError } from './error.ts'

/** One planned difference between spec and observation, as data that can be shown before it is applied. */
export interface Change {
  /** The package that plans the change: `quota`. */
  readonly facility: string
  /** The user, slice, file, table or module that changes: `user 10001`. */
  readonly target: string
  /** The action, as an imperative verb: `add`, `set`, `remove`. */
  readonly action: string
  /** The current state, as text. Absent: nothing exists, or nothing was read. */
  readonly before?: string
  /** The state after the change, as text. Absent when there is nothing to show, such as after a removal. */
  readonly after?: string
  /** A command with the same effect, for an operator. The library itself may do it in another way. */
  readonly command?: string
}

/** An item of the spec that cannot be applied. The other items are not affected. */
export interface Refused<Failure extends FacilityError = FacilityError> {
  readonly target: string
  readonly error: Failure
}

/**
 * The differences between a spec and an observation: exactly what `apply` performs. Each facility adds fields that it needs to perform
 * them.
 *
 * Applying a change set without `changes` runs no program and writes no file.
 */
export interface ChangeSet<Planned extends Change = Change, Failure extends FacilityError = FacilityError> {
  readonly changes: readonly Planned[]
  readonly refused: readonly Refused<Failure>[]
}

/** The result for one item of the spec, read back from the machine. */
export interface ItemResult<Failure extends FacilityError = FacilityError> {
  /** As in `Change`. */
  readonly target: string
  /** Whether `apply` changed the item. */
  readonly changed: boolean
  /** Why the item differs from the spec. Absent when it does not differ. */
  readonly error?: Failure
}

/** The result of applying a change set. */
export interface Applied<Result extends ItemResult = ItemResult, Planned extends Change = Change> {
  readonly changed: boolean
  /** The changes of the change set that was applied. */
  readonly changes: readonly Planned[]
  /** One result for each item of the spec, including unchanged and refused items. */
  readonly results: readonly Result[]
}

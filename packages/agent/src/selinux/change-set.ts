import type { AppliedPolicy, PolicyChangeSet } from '@puppy/selinux'
import type { PlannedChange } from '@puppy/state/store/hosts'

/** Returns the changes of a change set as the database and the API show them, without the texts of modules. Pure. */
export function plannedChanges({ changes }: PolicyChangeSet): readonly PlannedChange[] {
  return changes.map(({ facility, target, action, before, after, command }) => ({
    facility,
    target,
    action,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
    ...(command === undefined ? {} : { command }),
  }))
}

/** Throws the error of the first item that failed. Does nothing when none failed. Pure. */
export function assertApplied({ results }: AppliedPolicy): void {
  for (const { error } of results) if (error !== undefined) throw error
}

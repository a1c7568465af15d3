import { errno } from '@puppy/host/errors'
import type { Database } from '@puppy/state'
import { ApiError } from '../errors.ts'
import { writeAudit, type Actor } from '@puppy/state/store/audit'
import { deletePlan } from '@puppy/state/store/plans'

const foreignKeyViolation = '23503'

/** Deletes a plan, if it exists. @throws ApiError `plan_in_use`. */
export async function removePlan(db: Database, actor: Actor, name: string): Promise<void> {
  await db
    .transaction(async (tx) => {
      if (await deletePlan(tx, name)) await writeAudit(tx, actor, { action: 'plan.delete', target: name })
    })
    .catch((error: unknown) => {
      if (errno(error) !== foreignKeyViolation) throw error
      throw new ApiError(
        'plan_in_use',
        `Plan ${name} cannot be deleted, because accounts use it. Accounts that are being deleted count too. Assign another plan first.`,
      )
    })
}

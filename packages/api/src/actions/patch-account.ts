import type { Database } from '@puppy/state'
import { ApiError } from '../errors.ts'
import type { AccountName, AccountSpec } from '@puppy/state/store/accounts'
import type { Actor } from '@puppy/state/store/audit'
import { changeAccount } from './put-account.ts'
import { assertSshKeys } from './ssh-keys.ts'

/** The fields of an account that a merge patch changes. Null sets a field to its default. */
export interface AccountPatch {
  readonly plan?: string
  readonly sshKeys?: readonly string[] | null
  readonly state?: AccountSpec['state'] | null
  readonly labels?: Readonly<Record<string, string | null>> | null
}

/** Changes only the fields that a merge patch names. @throws ApiError as `putAccount`, and `account_not_found`. */
export async function patchAccount(db: Database, actor: Actor, who: AccountName, patch: AccountPatch): Promise<void> {
  assertSshKeys(patch.sshKeys ?? [])
  await changeAccount(db, actor, who, (row) => mergePatch(row, patch))
}

/**
 * Applies a merge patch (RFC 7396) to a spec. Pure.
 *
 * Null sets a field to its default. An absent field does not change. A label that is null is removed.
 *
 * @throws ApiError `request_invalid` if the account would have more than 32 labels.
 */
export function mergePatch(row: AccountSpec, patch: AccountPatch): AccountSpec {
  const merged = Object.entries({ ...row.labels, ...patch.labels }).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  )
  if (merged.length > 32) {
    throw new ApiError(
      'request_invalid',
      `The account would have ${merged.length} labels. The limit is 32. Remove a label by setting it to null.`,
      [{ pointer: '/labels', detail: 'must have at most 32 labels together with the existing ones' }],
    )
  }
  return {
    plan: patch.plan ?? row.plan,
    sshKeys: patch.sshKeys === undefined ? row.sshKeys : (patch.sshKeys ?? []),
    state: patch.state === undefined ? row.state : (patch.state ?? 'active'),
    labels: patch.labels === null ? {} : Object.fromEntries(merged),
  }
}

import { ApiError, type Database } from '@puppy/state'
import type { AccountPatch } from '../schemas/account.ts'
import type { AccountName, AccountWish } from '@puppy/state/store/accounts'
import type { Actor } from '@puppy/state/store/audit'
import { changeAccount } from './put-account.ts'
import type { SshKeyCheck } from './ssh-keys.ts'

/** Changes what a merge patch names and leaves the rest. @throws ApiError as putAccount, and `account_not_found`. */
export async function patchAccount(
  db: Database,
  actor: Actor,
  checkSshKeys: SshKeyCheck,
  who: AccountName,
  patch: AccountPatch,
): Promise<void> {
  if (Array.isArray(patch.sshKeys)) await checkSshKeys(patch.sshKeys)
  await changeAccount(db, actor, who, (row) => mergePatch(row, patch))
}

/**
 * RFC 7396: null puts back to the default, absent leaves, a label that is null goes.
 * @throws ApiError `request_invalid` when there would be more than 32 labels.
 */
export function mergePatch(row: AccountWish, patch: AccountPatch): AccountWish {
  const merged = Object.entries({ ...row.labels, ...patch.labels }).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  )
  if (merged.length > 32) {
    throw new ApiError('request_invalid', `An account has at most 32 labels, and it would have ${merged.length}`, [
      { pointer: '/labels', detail: 'too many together with those that are there' },
    ])
  }
  return {
    plan: patch.plan ?? row.plan,
    sshKeys: patch.sshKeys === undefined ? row.sshKeys : (patch.sshKeys ?? []),
    state: patch.state === undefined ? row.state : (patch.state ?? 'active'),
    labels: patch.labels === null ? {} : Object.fromEntries(merged),
  }
}

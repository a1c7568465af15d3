import { FacilityError, renderFacts, type FacilityErrorFacts } from '@puppy/host/errors'

/** A stable code for each kind of failure. `docs/errors.md` explains each code. */
export type AccountErrorCode =
  | 'ACCOUNT_ENVIRONMENT_INVALID'
  | 'ACCOUNT_FOLDER_IN_USE'
  | 'ACCOUNT_KEY_INVALID'
  | 'ACCOUNT_NOT_APPLIED'
  | 'ACCOUNT_PATH_UNSAFE'
  | 'ACCOUNT_PROCESSES_LEFT'
  | 'ACCOUNT_PROGRAM_MISSING'
  | 'ACCOUNT_SLOT_BLOCKED'
  | 'ACCOUNT_SLOT_DIRTY'
  | 'ACCOUNT_SLOT_UNPROVED'
  | 'ACCOUNT_SSHD_REFUSED'
  | 'ACCOUNT_STALE'

/** Why a slot cannot be used: something that it needs belongs to another user, group, folder, service or listener. */
export type BlockReason =
  | 'user_taken'
  | 'uid_taken'
  | 'group_taken'
  | 'gid_taken'
  | 'port_reserved'
  | 'port_in_use'
  | 'home_taken'

/** The part of a slot that is wrong after it was applied and read back. */
export type SlotFault = 'account_wrong' | 'home_wrong'

/** The facts of a failure. The message is a sentence made from them. */
export interface AccountErrorFacts extends FacilityErrorFacts {
  /** For `ACCOUNT_SLOT_BLOCKED` the reason. For `ACCOUNT_NOT_APPLIED` the part of the slot that is wrong. */
  readonly reason?: BlockReason | SlotFault
  /** For `ACCOUNT_SLOT_DIRTY` and `ACCOUNT_PROCESSES_LEFT`: the first of the remaining paths, processes and IPC objects. For
   * `ACCOUNT_SLOT_UNPROVED`: the folders in which a set-user-ID file may be open. */
  readonly left?: readonly string[]
}

/** A user, home, login or file differs from the spec, or the spec is invalid. Match on `code`. */
export class AccountError extends FacilityError<AccountErrorCode, AccountErrorFacts> {
  static {
    this.prototype.name = 'AccountError'
  }

  constructor(code: AccountErrorCode, facts: AccountErrorFacts) {
    super(code, facts, renderFacts(facts, 'the tool'))
  }
}

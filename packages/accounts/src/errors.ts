import { FacilityError, renderFacts, type FacilityErrorFacts } from '@puppy/host/errors'

/** What went wrong, as a word that never changes its meaning. `docs/errors.md` explains each of them. */
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
  | 'ACCOUNT_SSHD_REFUSED'
  | 'ACCOUNT_STALE'

/** Why a slot cannot be used: what it needs belongs to another user, group, folder, service or listener. */
export type BlockReason =
  | 'user_taken'
  | 'uid_taken'
  | 'group_taken'
  | 'gid_taken'
  | 'port_reserved'
  | 'port_in_use'
  | 'home_taken'

/** What reading back a slot found wrong. */
export type SlotFault = 'account_wrong' | 'home_wrong'

/** The facts of a failure. The message is a sentence made from them. */
export interface AccountErrorFacts extends FacilityErrorFacts {
  /** Of `ACCOUNT_SLOT_BLOCKED` why, and of `ACCOUNT_NOT_APPLIED` which part of a slot. */
  readonly reason?: BlockReason | SlotFault
  /** Of `ACCOUNT_SLOT_DIRTY` and `ACCOUNT_PROCESSES_LEFT`: the paths, processes and objects that are left, the first of them. */
  readonly left?: readonly string[]
}

/** A user, home, login or file is not as the spec says, or cannot be. Match on `code`. */
export class AccountError extends FacilityError<AccountErrorCode, AccountErrorFacts> {
  static {
    this.prototype.name = 'AccountError'
  }

  constructor(code: AccountErrorCode, facts: AccountErrorFacts) {
    super(code, facts, renderFacts(facts, 'the tool'))
  }
}

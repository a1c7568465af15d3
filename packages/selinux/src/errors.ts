import { FacilityError, renderFacts, type FacilityErrorFacts } from '@puppy/host/errors'

/** What went wrong, as a word that never changes its meaning. `docs/errors.md` has one line for each. */
export type SelinuxErrorCode =
  | 'SELINUX_BROKEN'
  | 'SELINUX_CHANGED'
  | 'SELINUX_DISABLED'
  | 'SELINUX_INVALID'
  | 'SELINUX_LOCKED'
  | 'SELINUX_MISMATCH'
  | 'SELINUX_NOT_INSTALLED'
  | 'SELINUX_NO_PREVIOUS'
  | 'SELINUX_NO_SPACE'
  | 'SELINUX_REFUSED'
  | 'SELINUX_ROLLED_BACK'
  | 'SELINUX_TIMEOUT'
  | 'SELINUX_UNREADABLE'

/** The facts of a failure. `target` is the store, file, module, boolean or process it was attempted on. */
export type SelinuxErrorFacts = FacilityErrorFacts

/** The policy, its tools or the kernel refused or surprised us. Match on `code`. */
export class SelinuxError extends FacilityError<SelinuxErrorCode, SelinuxErrorFacts> {
  static {
    this.prototype.name = 'SelinuxError'
  }

  constructor(code: SelinuxErrorCode, facts: SelinuxErrorFacts) {
    super(code, facts, renderFacts(facts, 'the tool'))
  }
}

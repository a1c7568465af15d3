import { FacilityError, renderFacts, type FacilityErrorFacts } from '@puppy/host/errors'

/** The kind of a failure. A code never changes its meaning. `docs/errors.md` describes each code. */
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

/** The facts of a failure. `target` is the store, file, module, boolean or process on which the operation was attempted. */
export type SelinuxErrorFacts = FacilityErrorFacts

/** An error of the policy, of its tools or of the kernel. Match on `code`. */
export class SelinuxError extends FacilityError<SelinuxErrorCode, SelinuxErrorFacts> {
  static {
    this.prototype.name = 'SelinuxError'
  }

  constructor(code: SelinuxErrorCode, facts: SelinuxErrorFacts) {
    super(code, facts, renderFacts(facts, 'the tool'))
  }
}

import { FacilityError, renderFacts, type FacilityErrorFacts } from '@puppy/host'

/** The kind of a failure. A code never changes its meaning. `docs/errors.md` describes each code. */
export type CgroupErrorCode =
  | 'CGROUP_BUSY'
  | 'CGROUP_CONFLICT'
  | 'CGROUP_GONE'
  | 'CGROUP_INVALID'
  | 'CGROUP_REFUSED'
  | 'CGROUP_TIMEOUT'
  | 'CGROUP_UNREADABLE'
  | 'CGROUP_UNSUPPORTED'

/** The facts of a failure. The message is a sentence made from them. */
export type CgroupErrorFacts = FacilityErrorFacts

/** An operation that the kernel or systemd refused, or an argument that is invalid. Match on `code`. */
export class CgroupError extends FacilityError<CgroupErrorCode> {
  static {
    this.prototype.name = 'CgroupError'
  }

  constructor(code: CgroupErrorCode, facts: CgroupErrorFacts) {
    super(code, facts, renderFacts(facts, 'systemd'))
  }
}

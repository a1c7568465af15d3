import { FacilityError, renderFacts, type FacilityErrorFacts } from '@puppy/host'

/** The kind of a failure. A code never changes its meaning. `docs/errors.md` describes each code. */
export type QuotaErrorCode =
  | 'QUOTA_BELOW_USAGE'
  | 'QUOTA_INVALID'
  | 'QUOTA_MISMATCH'
  | 'QUOTA_MOVED'
  | 'QUOTA_NOT_INSTALLED'
  | 'QUOTA_OFF'
  | 'QUOTA_REFUSED'
  | 'QUOTA_TIMEOUT'
  | 'QUOTA_UNREADABLE'
  | 'QUOTA_UNSUPPORTED'

/** An operation that the quota tools or the file system refused, or an argument that is invalid. Match on `code`. */
export class QuotaError extends FacilityError<QuotaErrorCode> {
  static {
    this.prototype.name = 'QuotaError'
  }

  constructor(code: QuotaErrorCode, facts: FacilityErrorFacts) {
    super(code, facts, renderFacts(facts, 'the tool'))
  }
}

import { FacilityError, renderFacts, type FacilityErrorFacts } from '@puppy/host'

/** What went wrong, as a word that never changes its meaning. Each has a line in `docs/errors.md`. */
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

/** The quota tools or the file system refused, or what they were given is invalid. Match on `code`. */
export class QuotaError extends FacilityError<QuotaErrorCode> {
  static {
    this.prototype.name = 'QuotaError'
  }

  constructor(code: QuotaErrorCode, facts: FacilityErrorFacts) {
    super(code, facts, renderFacts(facts, 'the tool'))
  }
}

import { FacilityError, renderFacts, type FacilityErrorFacts } from '@puppy/host'

/** The kind of a failure. A code never changes its meaning. `docs/errors.md` describes each code. */
export type FirewallErrorCode =
  | 'FIREWALL_CONFLICT'
  | 'FIREWALL_INVALID'
  | 'FIREWALL_NOT_INSTALLED'
  | 'FIREWALL_REFUSED'
  | 'FIREWALL_TIMEOUT'
  | 'FIREWALL_TOO_OLD'
  | 'FIREWALL_UNATTENDED'
  | 'FIREWALL_UNREADABLE'

/** An error of nft or of the kernel, or an invalid argument. Match on `code`. */
export class FirewallError extends FacilityError<FirewallErrorCode> {
  static {
    this.prototype.name = 'FirewallError'
  }

  constructor(code: FirewallErrorCode, facts: FacilityErrorFacts) {
    super(code, facts, renderFacts(facts, 'nft'))
  }
}

import { FacilityError, renderFacts, type FacilityErrorFacts } from '@puppy/host'

/** What went wrong, as a word that never changes its meaning. Each has a line in `docs/errors.md`. */
export type FirewallErrorCode =
  | 'FIREWALL_CONFLICT'
  | 'FIREWALL_INVALID'
  | 'FIREWALL_NOT_INSTALLED'
  | 'FIREWALL_REFUSED'
  | 'FIREWALL_TIMEOUT'
  | 'FIREWALL_TOO_OLD'
  | 'FIREWALL_UNATTENDED'
  | 'FIREWALL_UNREADABLE'

/** nftables refused, or what it was given is invalid. Match on `code`. */
export class FirewallError extends FacilityError<FirewallErrorCode> {
  static {
    this.prototype.name = 'FirewallError'
  }

  constructor(code: FirewallErrorCode, facts: FacilityErrorFacts) {
    super(code, facts, renderFacts(facts, 'nft'))
  }
}

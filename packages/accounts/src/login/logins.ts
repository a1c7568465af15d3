import type { Facility, Host } from '@puppy/host'
import { ensureCurrent } from '../ensure.ts'
import { probeFor, type AccountProbe } from '../probe.ts'
import { applyLogins, type LoginResult } from './apply.ts'
import { planLogins, type Login, type LoginChangeSet } from './plan.ts'
import { readLogins, type LoginObservation } from './read.ts'

/**
 * How tenants log in: ssh keys, variables, linger and expiry. The spec is a list of logins. Slots that are not in the list are not changed.
 *
 * The users must exist. Writing needs root. It takes no lock: the caller must hold one.
 */
export interface Logins extends Facility<
  readonly Login[],
  LoginObservation,
  LoginChangeSet,
  LoginResult,
  AccountProbe
> {}

/** Opens the logins of a host. Reads nothing yet. */
export function openLogins(host: Host): Logins {
  const logins: Logins = {
    probe: () => probeFor(host, ['logins']),
    read: (spec) =>
      readLogins(
        host,
        spec.map(({ slot }) => slot),
      ),
    plan: planLogins,
    apply: (changeSet, options) => applyLogins(host, changeSet, options),
    ensure: (spec, options = {}) => ensureCurrent(logins, spec, options),
  }
  return Object.freeze(logins)
}

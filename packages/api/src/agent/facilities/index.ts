import type { SlotLayout } from '@puppy/accounts'
import type { Haproxy } from '@puppy/haproxy'
import type { Host } from '@puppy/host'
import { accountsFacility } from './accounts.ts'
import type { Facility } from './facility.ts'
import { haproxyFacility, type HaproxyFacility } from './haproxy.ts'

export interface FacilitiesOptions {
  readonly machine: Host
  readonly host: Host
  readonly layout: SlotLayout
  readonly haproxy: Haproxy
}

/**
 * All facilities in the one order in which walls are built: the user first, its limits and walls, and only when they
 * stand the route that lets visitors in. cgroups, quota, firewall and selinux have their places between these two.
 */
export function facilitiesOf(options: FacilitiesOptions): {
  readonly facilities: readonly Facility[]
  readonly proxy: HaproxyFacility
} {
  const proxy = haproxyFacility(options.haproxy)
  return { facilities: [accountsFacility(options), proxy], proxy }
}

import type { FacilityState } from './store/hosts.ts'

/** Every wall that a host can have, in the order in which they are built. `missing` names those that it does not have. */
export const walls = ['accounts', 'cgroups', 'quota', 'firewall', 'selinux', 'haproxy'] as const

/** The walls that a host lacks: facilities that do not work there, and those that this version has no part for. */
export function missingWalls(facilities: Readonly<Record<string, FacilityState>>): readonly string[] {
  return walls.filter((wall) => facilities[wall]?.works !== true)
}

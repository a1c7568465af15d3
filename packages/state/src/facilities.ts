import type { FacilityState } from './store/hosts.ts'

/** Every isolation layer that a host can have, in the order in which they are built. `missing` names those that it does not have. */
export const isolationLayers = ['accounts', 'cgroups', 'quota', 'firewall', 'selinux', 'haproxy'] as const

/** The isolation layers that a host lacks: facilities that do not work there, and those that this version has no part for. */
export function missingLayers(facilities: Readonly<Record<string, FacilityState>>): readonly string[] {
  return isolationLayers.filter((layer) => facilities[layer]?.works !== true)
}

import type { FacilityState } from './store/hosts.ts'

/** Every isolation layer that a host can have, in the order in which they are built. `missing` lists those that it lacks. */
export const isolationLayers = [
  'accounts',
  'cgroups',
  'view',
  'mounts',
  'quota',
  'firewall',
  'selinux',
  'haproxy',
] as const

/** Returns the isolation layers that a host lacks: facilities that do not work there, and those that have not reported. */
export function missingLayers(facilities: Readonly<Record<string, FacilityState>>): readonly string[] {
  return isolationLayers.filter((layer) => facilities[layer]?.works !== true)
}

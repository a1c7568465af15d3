import type { Host } from '@puppy/host'
import { namesDevices, readDevices, resolveDevices } from '../limits/device.ts'
import type { Limits } from '../limits/limits.ts'
import { ancestorsOf, parseCgroupPath, type CgroupPath } from '../path.ts'
import { CgroupError } from '../errors.ts'
import type { Cgroupfs } from './cgroupfs.ts'
import type { GroupSpec, ObservedGroup, ObservedGroups } from './plan.ts'
import { readLimits } from './read-limits.ts'

/** Reads the groups of a spec and their ancestors. Changes nothing. Omits invalid items. */
export async function readGroups(host: Host, cgroupfs: Cgroupfs, spec: readonly GroupSpec[]): Promise<ObservedGroups> {
  const devices = spec.some(({ limits }) => namesDevices(limits)) ? { devices: await readDevices(host) } : {}
  const groups = new Map<CgroupPath, ObservedGroup>()
  const observe = (path: CgroupPath, limits: Limits) => {
    if (groups.has(path) || !cgroupfs.exists(path)) return
    const enabled = (cgroupfs.read(path, 'cgroup.subtree_control') ?? '').split(/\s+/).filter((word) => word !== '')
    groups.set(path, { path, limits, enabled })
  }
  for (const { path: text, limits = {} } of spec) {
    try {
      const path = parseCgroupPath(text)
      const like = resolveDevices(limits, devices.devices ?? { disks: [], mounts: [] })
      groups.delete(path)
      observe(path, readLimits(cgroupfs, path, like))
      for (const group of ancestorsOf(path)) observe(group, {})
    } catch (error) {
      // `plan` refuses this item.
      if (!(error instanceof CgroupError && error.code === 'CGROUP_INVALID')) throw error
    }
  }
  return { groups: [...groups.values()], ...devices }
}

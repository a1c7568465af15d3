import { readWritable, scrubbedFolders, type SlotLayout } from '@puppy/accounts'
import type { Host } from '@puppy/host'
import type { FacilityState } from '@puppy/state/store/hosts'
import type { Facility } from './facility.ts'

/** Which folders are checked. */
export interface MountsFacilityOptions {
  readonly host: Host
  readonly layout: Pick<SlotLayout, 'homes'>
  /** Returns the folders that tenants cannot write to, because their sessions have others in their place. */
  readonly replaced: () => readonly string[]
}

const wanted = ['nosuid', 'nodev'] as const

/**
 * Creates the facility that reports whether every file system that tenants write to is mounted with `nosuid` and `nodev`. It changes
 * nothing, because mount options belong to the operator.
 *
 * With `nosuid`, no set-user-ID file of a tenant has an effect: neither for its neighbours, nor for the next tenant of its uid.
 */
export function mountsFacility({ host, layout, replaced }: MountsFacilityOptions): Facility {
  return Object.freeze<Facility>({
    name: 'mounts',
    probe: async (): Promise<FacilityState> => {
      if (!host.live) return { works: false, reason: 'this host is only a folder (PUPPY_ROOT), which has no mounts' }
      const folders = scrubbedFolders.filter((folder) => !replaced().includes(folder))
      const loose = (await readWritable(host, layout.homes, folders)).flatMap(({ folder, mount }) => {
        const lacking = wanted.filter((option) => !mount.mountOptions.includes(option))
        return lacking.length === 0 ? [] : [{ folder, mountPoint: mount.mountPoint, lacking }]
      })
      if (loose.length === 0) return { works: true }
      const said = loose.map(({ folder, lacking }) => `${folder} is mounted without ${lacking.join(' and ')}`)
      return {
        works: false,
        reason: said.join('; '),
        remedy: `${loose.map(lineFor).join('; ')}; then restart the host`,
      }
    },
  })
}

/** A folder with a mount of its own needs an option, and another folder a mount. */
function lineFor({ folder, mountPoint }: { readonly folder: string; readonly mountPoint: string }): string {
  if (folder === mountPoint) return `add nosuid,nodev to the options of ${folder} in /etc/fstab`
  return `add the line "${folder} ${folder} none bind,nosuid,nodev" to /etc/fstab`
}

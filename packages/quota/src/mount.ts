import { findMountOf, uncoveredMounts, type Mount } from '@puppy/host/proc'

/**
 * Finds the mount of the root of a file system by its device. The quota tools accept only this mount. For a path below a bind mount it
 * returns the same mount. If the root of the file system is not mounted, returns a bind mount, which the tools refuse. Pure.
 *
 * The device that the kernel reports for a file on btrfs is not in mountinfo. Then it returns the mount with the longest mount point above
 * the path.
 */
export function findMount(mounts: readonly Mount[], device: string, path: string): Mount | undefined {
  const same = uncoveredMounts(mounts).filter((mount) => mount.device === device)
  const nearest = findMountOf(mounts, path)
  // The devices of ext4 and XFS are in mountinfo. If one is not, it was unmounted, or it is mounted only in another namespace.
  const listed = nearest?.fileSystem === 'ext4' || nearest?.fileSystem === 'xfs'
  return same.find(({ root }) => root === '/') ?? same[0] ?? (listed ? undefined : nearest)
}

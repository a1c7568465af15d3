import { findMountOf, uncoveredMounts, type Mount } from '@puppy/host/proc'

/**
 * Finds the mount of a file system's own root by its device, under which the quota tools know it. A path below a bind mount leads to
 * it too. Without one, returns a bind mount, which the tools do not take. The device that the kernel reports for a file of btrfs is not
 * in mountinfo: then the longest mount point above the path counts. Pure.
 */
export function findMount(mounts: readonly Mount[], device: string, path: string): Mount | undefined {
  const same = uncoveredMounts(mounts).filter((mount) => mount.device === device)
  const nearest = findMountOf(mounts, path)
  // The devices of ext4 and XFS are in mountinfo. If one is not, it was unmounted, or is in another namespace.
  const listed = nearest?.fileSystem === 'ext4' || nearest?.fileSystem === 'xfs'
  return same.find(({ root }) => root === '/') ?? same[0] ?? (listed ? undefined : nearest)
}

import { QuotaError } from './errors.ts'
import type { Bounds, QuotaKind } from './limits.ts'
import type { Mount } from '@puppy/host/proc'
import type { QuotaState } from './state.ts'

/** How the file system stores quotas. `files` are the old quota files of ext4. The kernel does not report the largest limit of a file. */
export type QuotaFormat = 'ext4' | 'xfs' | 'files'

const reasons: Readonly<Record<string, string>> = {
  btrfs: 'btrfs has qgroups for subvolumes instead, which the quota tools do not support',
  nfs: 'the NFS server enforces the limits, not the client; set them on the server',
  nfs4: 'the NFS server enforces the limits, not the client; set them on the server',
  overlay: 'the file system below the overlay counts the files; set limits on that file system',
  tmpfs:
    'tmpfs has quotas only in kernels built with them, and the Debian kernel is not; use the mount option size instead',
  zfs: 'ZFS has its own quota properties; use zfs set userquota@…',
}

/** Returns the reason why a mount cannot have quotas, or undefined when it can. */
export function unsupported(mount: Mount): string | undefined {
  if (mount.fileSystem !== 'ext4' && mount.fileSystem !== 'xfs')
    return reasons[mount.fileSystem] ?? `${mount.fileSystem} is not supported; use ext4 or XFS`
  if (mount.root === '/') return undefined
  return `only the folder ${JSON.stringify(mount.root)} of the file system is mounted, but the quota tools need a mount of its root`
}

/** Returns the format. With the feature `quota`, ext4 keeps users in inode 3 and groups in inode 4. Old quota files have other inodes. */
export function formatOf(mount: Mount, state: QuotaState): QuotaFormat {
  if (mount.fileSystem === 'xfs') return 'xfs'
  const { user, group, project } = state
  if (user.inode === undefined && group.inode === undefined) return project.accounting ? 'ext4' : 'files'
  return (user.inode ?? 3) === 3 && (group.inode ?? 4) === 4 ? 'ext4' : 'files'
}

/** Returns the largest limits. Numbers are exact up to 2^53. Old quota files of the smaller format hold 32 bits for KiB and for inodes. */
export function boundsOf(format: QuotaFormat, blockSize: number): Bounds {
  if (format === 'files') return { blockSize, maxBytes: 0xffff_ffff * 1024, maxInodes: 0xffff_ffff }
  return { blockSize, maxBytes: Number.MAX_SAFE_INTEGER, maxInodes: Number.MAX_SAFE_INTEGER }
}

/** Returns the steps that turn on a kind, in order. Empty when it is on. This library never runs them. */
export function stepsOf(mount: Mount, kind: QuotaKind, { accounting, enforcing }: QuotaState[QuotaKind]): string[] {
  if (enforcing) return []
  const { mountPoint, source, fileSystem } = mount
  const xfs = fileSystem === 'xfs'
  const option = { user: 'usrquota', group: 'grpquota', project: 'prjquota' }[kind]
  const letter = { user: 'u', group: 'g', project: 'P' }[kind]
  const fstab = `add ${option} to the options of ${mountPoint} in /etc/fstab`
  const again = [`umount ${mountPoint}`, `mount ${mountPoint}`]
  if (!xfs && accounting) return [fstab, `quotaon -${letter} ${mountPoint}`]
  if (mountPoint === '/') {
    // The root file system cannot be unmounted, and a remount does not turn on quota.
    const flag = `add rootflags=${option} to the kernel command line`
    return xfs ? [flag, 'reboot'] : [`tune2fs ${featuresOf(kind)} ${source} from a rescue system`, flag, 'reboot']
  }
  if (xfs) return [fstab, ...again]
  return [again[0] ?? '', `tune2fs ${featuresOf(kind)} ${source}`, fstab, again[1] ?? '']
}

function featuresOf(kind: QuotaKind): string {
  const feature = kind === 'project' ? 'quota,project' : 'quota'
  return `-O ${feature} -Q ${{ user: 'usrquota', group: 'grpquota', project: 'prjquota' }[kind]}`
}

/** Returns the error for a kind that is not counted or not enforced as `need` says, or undefined when it is. */
export function offError(
  operation: string,
  mount: Mount,
  kind: QuotaKind,
  state: QuotaState,
  need: 'accounting' | 'enforcing',
): QuotaError | undefined {
  if (state[kind][need]) return undefined
  const detail = state[kind].accounting
    ? `${kind} usage is counted, but limits are not enforced`
    : `${kind} quota is off on this ${mount.fileSystem} file system`
  const steps = stepsOf(mount, kind, state[kind])
  return new QuotaError('QUOTA_OFF', { operation, target: mount.mountPoint, detail, steps })
}

import { QuotaError } from './errors.ts'
import type { Bounds, QuotaKind } from './limits.ts'
import type { Mount } from './mount.ts'
import type { QuotaState } from './state.ts'

/** How the kernel keeps quotas; `files` are ext4's old quota files, of which it does not say how much they can hold. */
export type QuotaFormat = 'ext4' | 'xfs' | 'files'

const reasons: Readonly<Record<string, string>> = {
  btrfs: 'btrfs has qgroups of subvolumes instead, which these tools do not know',
  nfs: 'limits of NFS are the server’s',
  nfs4: 'limits of NFS are the server’s',
  overlay: 'what is written to an overlay is counted by the file system below it',
  tmpfs: 'tmpfs has quotas only where the kernel was built with them, which Debian’s are not; mount it with a size',
  zfs: 'ZFS has properties of its own (zfs set userquota@…)',
}

/** Why there can be no quota on a mount; undefined when there can. */
export function unsupported(mount: Mount): string | undefined {
  if (mount.fileSystem !== 'ext4' && mount.fileSystem !== 'xfs')
    return reasons[mount.fileSystem] ?? `${mount.fileSystem} was not tried; ext4 and XFS were`
  if (mount.root === '/') return undefined
  return `only its folder ${JSON.stringify(mount.root)} is mounted, and the quota tools know a file system by its own root`
}

/** With the feature `quota`, ext4 keeps users in inode 3 and groups in 4; old quota files are ordinary ones. */
export function formatOf(mount: Mount, state: QuotaState): QuotaFormat {
  if (mount.fileSystem === 'xfs') return 'xfs'
  const { user, group, project } = state
  if (user.inode === undefined && group.inode === undefined) return project.accounting ? 'ext4' : 'files'
  return (user.inode ?? 3) === 3 && (group.inode ?? 4) === 4 ? 'ext4' : 'files'
}

/** Numbers are exact to 2^53; old quota files of the smaller kind hold 32 bits of KiB and of inodes. */
export function boundsOf(format: QuotaFormat, blockSize: number): Bounds {
  if (format === 'files') return { blockSize, maxBytes: 0xffff_ffff * 1024, maxInodes: 0xffff_ffff }
  return { blockSize, maxBytes: Number.MAX_SAFE_INTEGER, maxInodes: Number.MAX_SAFE_INTEGER }
}

/** What turns a kind on, one act after the other; none when it is on. We never do it. */
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
    // The root cannot be unmounted, and a remount does not turn it on.
    const flag = `add rootflags=${option} to the kernel's command line`
    return xfs ? [flag, 'reboot'] : [`tune2fs ${featuresOf(kind)} ${source} from a rescue system`, flag, 'reboot']
  }
  if (xfs) return [fstab, ...again]
  return [again[0] ?? '', `tune2fs ${featuresOf(kind)} ${source}`, fstab, again[1] ?? '']
}

function featuresOf(kind: QuotaKind): string {
  const feature = kind === 'project' ? 'quota,project' : 'quota'
  return `-O ${feature} -Q ${{ user: 'usrquota', group: 'grpquota', project: 'prjquota' }[kind]}`
}

/** The error for a kind whose limits would not hold; undefined when they do. */
export function offError(
  operation: string,
  mount: Mount,
  kind: QuotaKind,
  state: QuotaState,
  need: 'accounting' | 'enforcing',
): QuotaError | undefined {
  if (state[kind][need]) return undefined
  const detail = state[kind].accounting
    ? `${kind} quota is counted, but its limits do not hold`
    : `${kind} quota is off on this ${mount.fileSystem}`
  const steps = stepsOf(mount, kind, state[kind])
  return new QuotaError('QUOTA_OFF', { operation, target: mount.mountPoint, detail, steps })
}

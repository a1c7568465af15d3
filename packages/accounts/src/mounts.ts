import type { EffectOptions, Host } from '@puppy/host'
import { readMounts, type Mount } from '@puppy/host/proc'

/** A mount that belongs to a user: a FUSE mount, or `/run/user/UID`. */
export interface UserMount {
  readonly mount: Mount
  readonly uid: number
}

/**
 * Returns the mounts that belong to users. Pure.
 *
 * ```text
 * 97 29 0:52 / /home/p10000/m rw,nosuid,nodev - fuse.sshfs host: rw,user_id=10000,group_id=10000
 * 98 24 0:44 / /run/user/10000 rw,nosuid,nodev - tmpfs tmpfs rw,size=1617240k,mode=700,uid=10000
 * ```
 *
 * A dead FUSE mount does not answer requests, not even those of root, so a home that contains one cannot be emptied.
 *
 * @see proc_pid_mountinfo(5), mount.fuse3(8)
 */
export function userMounts(mounts: readonly Mount[]): readonly UserMount[] {
  return mounts.flatMap((mount) => {
    const { mountPoint, fileSystem, options } = mount
    const owner = fileSystem.startsWith('fuse') ? options.find((option) => option.startsWith('user_id=')) : undefined
    const uid = /^user_id=(\d+)$/.exec(owner ?? '')?.[1] ?? /^\/run\/user\/(\d+)$/.exec(mountPoint)?.[1]
    return uid === undefined ? [] : [{ mount, uid: Number(uid) }]
  })
}

/** How often the mounts are read. A neighbour that moves the folders of a mount point all the time is unlucky within a few attempts. */
const attempts = 20

/**
 * Unmounts the mounts of these uids. The mounts are read again until none is left, because a mount can cover another, and a neighbour can
 * move the folder of a mount point while it is unmounted. Returns the mounts that are left.
 */
export async function unmountAll(
  host: Host,
  uids: ReadonlySet<number>,
  options: EffectOptions = {},
): Promise<readonly UserMount[]> {
  let left: readonly UserMount[] = []
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    left = userMounts(await readMounts(host)).filter(({ uid }) => uids.has(uid))
    if (left.length === 0) return left
    for (const { mount } of left) await host.unmount(mount, options)
  }
  return left
}

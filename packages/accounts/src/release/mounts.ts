import { runOptions, type EffectOptions, type Host } from '@puppy/host'
import { readMounts, type Mount } from '@puppy/host/proc'
import { findProgram } from '../program.ts'

/** A mount that belongs to a user: a FUSE mount, or `/run/user/UID`. */
export interface UserMount {
  readonly path: string
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
  return mounts.flatMap(({ mountPoint: path, fileSystem, options }) => {
    const owner = fileSystem.startsWith('fuse') ? options.find((option) => option.startsWith('user_id=')) : undefined
    const uid = /^user_id=(\d+)$/.exec(owner ?? '')?.[1] ?? /^\/run\/user\/(\d+)$/.exec(path)?.[1]
    return uid === undefined ? [] : [{ path, uid: Number(uid) }]
  })
}

/**
 * Unmounts the mounts of these uids, innermost first. The unmount is lazy: a busy mount disappears from the tree at once, and ends when no
 * process uses it.
 */
export async function unmountAll(host: Host, uids: ReadonlySet<number>, options: EffectOptions = {}): Promise<void> {
  const mounts = userMounts(await readMounts(host)).filter(({ uid }) => uids.has(uid))
  if (mounts.length === 0) return
  const paths = mounts.map(({ path }) => path).toReversed()
  const command = [findProgram(host, 'umount'), '--lazy', '--', ...paths] as const
  await host.run([...command], runOptions('machine', options, { accept: [0, 1, 32, 64] }))
}

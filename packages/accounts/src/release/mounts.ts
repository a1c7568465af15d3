import { runOptions, type EffectOptions, type Host } from '@puppy/host'
import { findProgram } from '../program.ts'

/** A mount that belongs to a user: one made with FUSE, or the user's own `/run/user/UID`. */
export interface UserMount {
  readonly path: string
  readonly uid: number
}

/**
 * Parses the mounts of users in `/proc/self/mountinfo`. Pure.
 *
 * ```text
 * 97 29 0:52 / /home/p10000/m rw,nosuid,nodev - fuse.sshfs host: rw,user_id=10000,group_id=10000
 * 98 24 0:44 / /run/user/10000 rw,nosuid,nodev - tmpfs tmpfs rw,size=1617240k,mode=700,uid=10000
 * ```
 *
 * A dead FUSE mount answers no request, not even of root, and keeps a home from being emptied.
 *
 * @see proc_pid_mountinfo(5), mount.fuse3(8)
 */
export function parseUserMounts(text: string): readonly UserMount[] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ')
    const path = unescapePath(left.split(' ')[4] ?? '')
    const [type = '', , options = ''] = right.split(' ')
    const fuse = type.startsWith('fuse') ? /(?:^|,)user_id=(\d+)/.exec(options)?.[1] : undefined
    const uid = fuse ?? /^\/run\/user\/(\d+)$/.exec(path)?.[1]
    return uid === undefined || !path.startsWith('/') ? [] : [{ path, uid: Number(uid) }]
  })
}

/** Unmounts what these uids have mounted, the innermost first. Lazily: a mount in use disappears at once and ends with its last user. */
export async function unmountAll(machine: Host, uids: ReadonlySet<number>, options: EffectOptions = {}): Promise<void> {
  const mounts = parseUserMounts((await machine.read('/proc/self/mountinfo')) ?? '').filter(({ uid }) => uids.has(uid))
  if (mounts.length === 0) return
  const paths = mounts.map(({ path }) => path).toReversed()
  const command = [findProgram(machine, 'umount'), '--lazy', '--', ...paths] as const
  await machine.run([...command], runOptions('machine', options, { accept: [0, 1, 32, 64] }))
}

/** Space, tab, newline and backslash are written as three octal digits. */
function unescapePath(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

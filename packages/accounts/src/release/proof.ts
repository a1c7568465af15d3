import type { Host } from '@puppy/host'
import { findMountOf, readBootId, readMounts, type Mount } from '@puppy/host/proc'
import { loginFolderMode, ownFolder, releasedFolder } from '../login/read.ts'
import type { Slot } from '../slots.ts'

/** A folder in which a tenant can leave a file that another user may still run with the rights of the tenant. */
export interface UnprovedFolder {
  readonly folder: string
  readonly mountPoint: string
}

/**
 * Returns the folders for which a search of names is no proof.
 *
 * A neighbour that opened a set-user-ID file of a tenant can run it after the file was deleted, with the rights of the next user of that
 * uid. The kernel prevents this on a file system that is mounted with `nosuid`. Where another check counts the files of a uid, deleted ones
 * included, that count is the proof.
 *
 * @param folders the folders in which tenants can create files; those that only root can change are left out
 * @param counted mount points of file systems on which the caller counts the files of each uid
 * @throws HostError
 * @see execveat(2) about AT_EMPTY_PATH, mount(8) about nosuid
 */
export async function readUnproved(
  host: Host,
  homes: string,
  folders: readonly string[],
  counted: readonly string[],
): Promise<readonly UnprovedFolder[]> {
  return (await readWritable(host, homes, folders))
    .filter(({ mount }) => !mount.mountOptions.includes('nosuid') && !counted.includes(mount.mountPoint))
    .map(({ folder, mount }) => ({ folder, mountPoint: mount.mountPoint }))
}

/**
 * Returns the mount of each of these folders in which a tenant can create files, and of the folder of the homes. Folders that do not exist,
 * or that only root can change, are left out. @throws HostError
 */
export async function readWritable(
  host: Host,
  homes: string,
  folders: readonly string[],
): Promise<readonly { readonly folder: string; readonly mount: Mount }[]> {
  const mounts = await readMounts(host)
  const writable: { readonly folder: string; readonly mount: Mount }[] = []
  for (const folder of [homes, ...folders]) {
    const path = await followed(host, folder)
    const status = await host.status(path)
    if (status?.kind !== 'folder') continue
    // The homes belong to tenants, although the folder of homes does not.
    if (folder !== homes && (status.mode & 0o002) === 0) continue
    const mount = findMountOf(mounts, path)
    if (mount !== undefined) writable.push({ folder, mount })
  }
  return writable
}

async function followed(host: Host, path: string, most = 8): Promise<string> {
  const target = most === 0 ? undefined : await host.readLink(path)
  if (target === undefined) return path
  const parent = path.slice(0, path.lastIndexOf('/'))
  return followed(host, new URL(target, `file://${parent}/`).pathname, most - 1)
}

/**
 * Returns which of these slots were scrubbed in an earlier boot and not used since then. For all others, records this boot.
 *
 * @throws HostError
 */
export async function readRestarted(host: Host, slots: readonly Slot[]): Promise<ReadonlySet<number>> {
  const boot = (await readBootId(host)) ?? 'unknown'
  const restarted = new Set<number>()
  for (const { n, user } of slots) {
    const before = (await host.read(`${releasedFolder}/${user}`))?.trim()
    if (before !== undefined && before !== '' && before !== boot && boot !== 'unknown') restarted.add(n)
    else if (before !== boot) {
      await host.makeFolder(ownFolder, { mode: loginFolderMode, uid: 0, gid: 0 })
      await host.makeFolder(releasedFolder, { mode: 0o700, uid: 0, gid: 0 })
      await host.replace(`${releasedFolder}/${user}`, `${boot}\n`, { mode: 0o600, uid: 0, gid: 0 })
    }
  }
  return restarted
}

/** Deletes the records of slots that are ready for the next tenant. */
export async function forgetReleased(host: Host, slots: readonly Slot[]): Promise<void> {
  const recorded = new Set(await host.list(releasedFolder))
  for (const { user } of slots.filter((slot) => recorded.has(slot.user))) await host.remove(`${releasedFolder}/${user}`)
}

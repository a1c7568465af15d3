import type { Host } from '@puppy/host'
import { findMountOf, parseMountinfo, readProcesses, readProcessFile, type Mount } from '@puppy/host/proc'
import { privateFolders, records } from './render.ts'

/** A process and what it sees. */
export interface ProcessView {
  readonly pid: number
  readonly uid: number
  /** The name that the process chose for itself. It may contain any bytes. */
  readonly name: string
  /**
   * The shared places that it sees as every process of the host does: `/tmp`, `/var/tmp`, `/dev/shm`, `/proc`, and `/run/systemd/sessions`
   * and `/run/systemd/users` where they exist. Empty: its view is its own.
   */
  readonly shares: readonly string[]
}

/**
 * Reads what each running process of these uids sees, from the mounts of its namespace. Processes that end meanwhile are left out. Changes
 * nothing. Needs root.
 *
 * A folder is shared when the process has the same part of the same file system there as pid 1. `/proc` is shared when it has no `hidepid`.
 *
 * @throws HostError `HOST_READ_FAILED`
 * @see proc_pid_mountinfo(5)
 */
export async function readViews(host: Pick<Host, 'list' | 'read'>, uids: Iterable<number>): Promise<ProcessView[]> {
  const wanted = new Set(uids)
  const common = parseMountinfo((await readProcessFile(host, 1, 'mountinfo')) ?? '')
  const present = new Set(await host.list('/run/systemd'))
  const places = [
    ...privateFolders.map(([path]) => path),
    ...records.filter((path) => present.has(path.slice('/run/systemd/'.length))),
  ]
  const views: ProcessView[] = []
  for (const { pid, uid, name, alive } of await readProcesses(host)) {
    if (!alive || !wanted.has(uid)) continue
    const text = await readProcessFile(host, pid, 'mountinfo')
    // A process that ends has no mounts.
    if (text === undefined || text === '') continue
    views.push({ pid, uid, name, shares: findShared(parseMountinfo(text), common, places) })
  }
  return views
}

/** Returns which of these folders, and of `/proc`, a process with these mounts shares with a process with the common mounts. Pure. */
export function findShared(
  mounts: readonly Mount[],
  common: readonly Mount[],
  places: readonly string[],
): readonly string[] {
  const folders = places.filter((path) => placeOf(mounts, path) === placeOf(common, path))
  const proc = findMountOf(mounts, '/proc')
  const limited = proc?.mountPoint === '/proc' && proc.options.some((option) => /^hidepid=(?!0$|off$)/.test(option))
  return limited ? folders : [...folders, '/proc']
}

/** Returns the file system and the folder of it that a path is: `254:16 /tmp`. */
function placeOf(mounts: readonly Mount[], path: string): string | undefined {
  const mount = findMountOf(mounts, path)
  if (mount === undefined) return undefined
  const rest = mount.mountPoint === '/' ? path : path.slice(mount.mountPoint.length)
  return `${mount.device} ${mount.root === '/' ? '' : mount.root}${rest}`
}

import { mapLimit, type Host } from '@puppy/host'
import { readCgroup, readProcesses } from '@puppy/host/proc'
import { slicePath, userSlice } from './unit.ts'

/** A process of a user that is outside of the user's slice, and so outside of its limits. */
export interface Stray {
  readonly pid: number
  readonly uid: number
  /** The short name, which the process chooses freely. It may hold every character. */
  readonly name: string
  /** Its group, below the root of the tree. */
  readonly group: string
  /** What puts such a process into the slice, in words. */
  readonly advice: string
}

/**
 * Finds processes of these users that are outside of their slices. Reads `/proc` as a whole: call it from time to time, as root. A
 * process that ends meanwhile is no stray.
 *
 * A process belongs to its real uid, by which the kernel counts processes of a user: a setuid program of the user is the user's.
 *
 * @throws HostError `HOST_READ_FAILED` when a process cannot be read: leaving it out would hide it.
 */
export async function readStrays(host: Host, uids: Iterable<number>): Promise<readonly Stray[]> {
  const slices = new Map([...uids].map((uid) => [uid, slicePath(userSlice(uid))]))
  const processes = (await readProcesses(host)).filter(({ alive, uid }) => alive && slices.has(uid))
  const found = await mapLimit(processes, 32, async ({ pid, uid, name }): Promise<readonly Stray[]> => {
    const group = (await readCgroup(host, pid))?.path
    const slice = slices.get(uid) ?? ''
    if (group === undefined || group === slice || group.startsWith(`${slice}/`)) return []
    return [{ pid, uid, name, group, advice: adviceFor(group, uid) }]
  })
  return found.flat()
}

/** Returns what to do about a process in this group. Pure. */
export function adviceFor(group: string, uid: number): string {
  const slice = userSlice(uid)
  const service = /(?:^|\/)((?:[^/]+)\.service)(?:\/|$)/.exec(group)?.[1]
  if (/(^|\/)(cron|crond|anacron|atd)\.service(\/|$)/.test(group)) {
    return `${service} starts sessions without pam_systemd: install the profile of renderPamProfile()`
  }
  if (/(^|\/)sshd?(@[^/]*)?\.service(\/|$)/.test(group))
    return 'sshd starts sessions without pam_systemd: UsePAM yes, and pam_systemd in its session'
  const other = /^user\.slice\/(user-\d+\.slice)(\/|$)/.exec(group)?.[1]
  if (other !== undefined)
    return `it was started from a session in ${other} (su, sudo, setpriv): start it by systemd-run --uid=${uid} --slice=${slice}`
  if (group.startsWith('machine.slice/')) return `it is in a container: give the container Slice=${slice}`
  if (service !== undefined)
    return `${service} acts for it: Slice=${slice} in the unit, if the whole unit is this user's`
  return `end it, or move it by hand; what started it should run in ${slice}`
}

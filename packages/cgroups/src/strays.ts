import { mapLimit, type Host } from '@puppy/host'
import { readCgroup, readProcesses } from '@puppy/host/proc'
import { slicePath, userSlice } from './unit.ts'

/** A process of a user that runs outside the slice of that user. The limits of the slice do not apply to it. */
export interface Stray {
  readonly pid: number
  readonly uid: number
  /** The short name. The process can set it to any text, with any characters. */
  readonly name: string
  /** The path of its group, below the root of the tree. */
  readonly group: string
  /** Why the process is outside the slice and how to change that, as text. */
  readonly advice: string
}

/**
 * Finds processes of these users that run outside their slices. Needs root. Reads all of `/proc`, so call it only from time to time. Omits
 * a process that ends meanwhile.
 *
 * A process belongs to its real uid, as in the kernel's own count of the processes of a user. So a setuid program that a user started
 * belongs to that user.
 *
 * @throws HostError `HOST_READ_FAILED` when a process cannot be read. To skip it would hide it.
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

/** Returns why a process is in this group and how to change that. Pure. */
export function adviceFor(group: string, uid: number): string {
  const slice = userSlice(uid)
  const service = /(?:^|\/)((?:[^/]+)\.service)(?:\/|$)/.exec(group)?.[1]
  if (/(^|\/)(cron|crond|anacron|atd)\.service(\/|$)/.test(group)) {
    return `${service} starts sessions without pam_systemd; install the PAM profile that renderPamProfile() renders`
  }
  if (/(^|\/)sshd?(@[^/]*)?\.service(\/|$)/.test(group))
    return 'sshd starts sessions without pam_systemd; set "UsePAM yes" in sshd_config, and add pam_systemd to the PAM session of sshd'
  const other = /^user\.slice\/(user-\d+\.slice)(\/|$)/.exec(group)?.[1]
  if (other !== undefined)
    return `a session in ${other} started it (su, sudo, setpriv); start it with systemd-run --uid=${uid} --slice=${slice}`
  if (group.startsWith('machine.slice/')) return `it runs in a container; set Slice=${slice} for the container`
  if (service !== undefined)
    return `${service} started it; if the whole unit belongs to this user, set Slice=${slice} in the unit`
  return `end it or move it to ${slice}; the program that started it should run in ${slice} too`
}

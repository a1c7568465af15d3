import type { Host } from '@puppy/host'
import { parseGroupOf } from './cgroupfs/processes.ts'
import { forEach } from './systemd/each.ts'
import { slicePath, userSlice } from './unit.ts'

/** A process of a user that is outside of the user's slice, and so outside of its limits. */
export interface Stray {
  readonly pid: number
  readonly uid: number
  /** The program's name, cut to 15 characters by the kernel; anybody can set any. */
  readonly name: string
  /** Where it is, below the root of the tree. */
  readonly group: string
  /** What puts its like into the slice, in words. */
  readonly advice: string
}

/**
 * Finds processes of these users that are outside of their slices. Reads `/proc`, whole: do it from time to time, as root. A
 * process that ends meanwhile is no stray.
 */
export async function readStrays(host: Host, uids: Iterable<number>): Promise<readonly Stray[]> {
  const wanted = new Map([...uids].map((uid) => [uid, slicePath(userSlice(uid))]))
  const pids = (await host.list('/proc')).filter((name) => /^[1-9]\d*$/.test(name))
  const found = await forEach(pids, 32, async (pid) => {
    const { uid, name } = parseStatus((await quiet(host, `/proc/${pid}/status`)) ?? '')
    const home = uid === undefined ? undefined : wanted.get(uid)
    if (uid === undefined || home === undefined) return []
    const group = parseGroupOf((await quiet(host, `/proc/${pid}/cgroup`)) ?? '')
    if (group === undefined || group === home || group.startsWith(`${home}/`)) return []
    return [{ pid: Number(pid), uid, name, group, advice: adviceFor(group, uid) }]
  })
  return found.flat().toSorted((one, other) => one.pid - other.pid)
}

/** The real uid is what limits of processes go by; a setuid program of the user is the user's. */
export function parseStatus(text: string): { readonly uid?: number; readonly name: string } {
  const uid = /^Uid:\s+(\d{1,10})\s/m.exec(text)?.[1]
  const name = /^Name:\t(.*)$/m.exec(text)?.[1] ?? ''
  return { name, ...(uid === undefined ? {} : { uid: Number(uid) }) }
}

/** What to do about a process in this group. */
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
  return `end it, or move it by hand; whatever started it should run in ${slice}`
}

/** A process that has ended, or one that is hidden from us, is passed over. */
async function quiet(host: Host, path: string): Promise<string | undefined> {
  try {
    return await host.read(path)
  } catch {
    return undefined
  }
}

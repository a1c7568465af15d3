import { readdir, readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { errno } from '@puppy/host'

/** A process that runs with our configuration. */
export interface OwnProcess {
  readonly pid: number
  readonly parent: number
}

/**
 * Whether a command line is a HAProxy with this configuration file.
 *
 * The words of /proc/<pid>/cmdline end in NUL. After a reload the master's have grown (`-sf 15974 -x sockpair@3`), but
 * `-f` and the path stay. A process that has ended and is not yet reaped has no words.
 *
 * @see proc_pid_cmdline(5)
 */
export function isOurCommandLine(text: string, config: string): boolean {
  const words = text.split('\0')
  const program = words[0]?.slice(words[0].lastIndexOf('/') + 1)
  return program === 'haproxy' && words.some((word, index) => word === '-f' && words[index + 1] === config)
}

/** The parent in the text of /proc/<pid>/stat. The name before it is in parentheses and may hold some. @see proc_pid_stat(5) */
export function parseParent(stat: string): number | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 1).trim()
  const parent = /^[A-Za-z] ([0-9]+) /.exec(fields)?.[1]
  return parent === undefined ? undefined : Number(parent)
}

/** Parses a pid file: one whole number above 1. */
export function parsePidFile(text: string): number | undefined {
  const pid = /^([0-9]{1,9})\s*$/.exec(text)?.[1]
  return pid === undefined || Number(pid) < 2 ? undefined : Number(pid)
}

/** Whether this process lives and is a HAProxy with our configuration. Reads one file of /proc, rarely two. */
export async function isOurs(pid: number, config: string): Promise<boolean> {
  for (let turn = 0; turn < 100; turn++) {
    const words = await readProc(`${pid}/cmdline`)
    if (words !== '') return isOurCommandLine(words, config) && isOwnedByUs(pid, config)
    if (!isBetweenPrograms(await readProc(`${pid}/stat`))) return false
    await sleep(5)
  }
  return false
}

/**
 * Whether we started a process: a master has our own uid, and a worker, which may have changed to another user, such a
 * master for its parent. Anybody can have a command line like ours.
 */
async function isOwnedByUs(pid: number, config: string): Promise<boolean> {
  if (parseUid(await readProc(`${pid}/status`)) === process.geteuid?.()) return true
  const parent = parseParent(await readProc(`${pid}/stat`))
  if (parent === undefined || parseUid(await readProc(`${parent}/status`)) !== process.geteuid?.()) return false
  return isOurCommandLine(await readProc(`${parent}/cmdline`), config)
}

/**
 * The real uid in the text of /proc/<pid>/status. By whole lines and from the last: the first holds the name, which a
 * process chooses itself and which may hold every character but the line feed. @see proc_pid_status(5)
 */
export function parseUid(status: string): number | undefined {
  const line = status.split('\n').findLast((text) => text.startsWith('Uid:\t'))
  const uid = /^Uid:\t(\d+)\t/.exec(line ?? '')?.[1]
  return uid === undefined ? undefined : Number(uid)
}

/**
 * What tells one execve(2) of a process from the next: its words, and where its stack begins, which is drawn by lot.
 * Without the right to see the second it is 0, and the words decide.
 */
export async function readImage(pid: number): Promise<string> {
  return `${await readProc(`${pid}/cmdline`)}${parseStackStart(await readProc(`${pid}/stat`)) ?? ''}`
}

/** Field 28, `startstack`, in the text of /proc/<pid>/stat; the name in parentheses is field 2. @see proc_pid_stat(5) */
export function parseStackStart(stat: string): string | undefined {
  const fields = stat
    .slice(stat.lastIndexOf(')') + 1)
    .trim()
    .split(' ')
  return fields[25]
}

/**
 * Whether a HAProxy without a command line is in the middle of execve(2), as a master is in every reload, rather than
 * ended and not yet reaped. Takes the text of /proc/<pid>/stat.
 */
export function isBetweenPrograms(stat: string): boolean {
  return /^[0-9]+ \(haproxy\) [^ZXx] /.test(stat)
}

/** Every living process that is a HAProxy with our configuration: masters, workers, old workers. */
export async function findOurs(config: string): Promise<readonly OwnProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number)
  const found = await Promise.all(
    pids.map(async (pid) => {
      if (!(await isOurs(pid, config))) return undefined
      const parent = parseParent(await readProc(`${pid}/stat`))
      return parent === undefined ? undefined : { pid, parent }
    }),
  )
  return found.filter((one) => one !== undefined)
}

/**
 * Sends a signal to a process, if it still is ours; says whether it was sent.
 *
 * Between the look and the signal lie microseconds, and a pid is not used again that soon.
 */
export async function signalOurs(pid: number, config: string, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isOurs(pid, config))) return false
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if (errno(error) === 'ESRCH') return false
    throw error
  }
}

/** Whether any interface has an IPv6 address, so that binding `::` makes sense. */
export function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ family }) => family === 'IPv6'))
}

/** Empty when the process has gone. */
async function readProc(name: string): Promise<string> {
  try {
    return await readFile(`/proc/${name}`, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errno(error) ?? '')) return ''
    throw error
  }
}

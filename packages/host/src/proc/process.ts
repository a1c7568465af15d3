import { setImmediate as giveWay } from 'node:timers/promises'
import { HostError } from '../errors.ts'
import type { Host } from '../host.ts'
import { parseCgroup, type ProcessGroup } from './cgroup.ts'
import { parseCmdline } from './cmdline.ts'
import { parseStat, type ProcessStat } from './stat.ts'
import { parseStatus, type ProcessStatus } from './status.ts'

type Reads = Pick<Host, 'read'>

/**
 * The files of a process that the kernel makes without reading memory of the process. Reading another file, such as `cmdline`, may block
 * without a time limit: the process can map that memory from a file system of its own.
 */
const ownMemory: ReadonlySet<string> = new Set(['status', 'stat', 'attr/current'])

/** Processes that are read before other work runs: a few milliseconds. */
const atOnce = 256

/**
 * Reads one file of `/proc/PID`. Returns undefined when the process has ended, including between open and read.
 *
 * @param file `status`, `attr/current`
 * @throws HostError `HOST_READ_FAILED`, with `EACCES` or `EPERM` as `facts.errno` for a process that we may not read.
 * @throws RangeError when `pid` is not a positive integer.
 */
export async function readProcessFile(host: Reads, pid: number, file: string): Promise<string | undefined> {
  if (!Number.isSafeInteger(pid) || pid < 1) throw new RangeError(`A process id must be a positive integer, not ${pid}`)
  try {
    return await host.read(`/proc/${pid}/${file}`, { blocking: ownMemory.has(file) })
  } catch (error) {
    if (error instanceof HostError && error.facts.errno === 'ESRCH') return undefined
    throw error
  }
}

/**
 * Reads `/proc/PID/status`. Returns undefined when the process has ended. @throws HostError `HOST_READ_FAILED`, also for text of an unknown
 * form
 */
export async function readStatus(host: Reads, pid: number): Promise<ProcessStatus | undefined> {
  return parsed(pid, 'status', await readProcessFile(host, pid, 'status'), parseStatus)
}

/**
 * Reads `/proc/PID/stat`. Returns undefined when the process has ended. @throws HostError `HOST_READ_FAILED`, also for text of an unknown
 * form
 */
export async function readStat(host: Reads, pid: number): Promise<ProcessStat | undefined> {
  return parsed(pid, 'stat', await readProcessFile(host, pid, 'stat'), parseStat)
}

/** Reads the arguments of a process. Returns none when the process has ended. @throws HostError `HOST_READ_FAILED` */
export async function readCmdline(host: Reads, pid: number): Promise<readonly string[]> {
  return parseCmdline((await readProcessFile(host, pid, 'cmdline')) ?? '')
}

/**
 * Reads the cgroup of a process. Returns undefined when the process has ended or is in no cgroup v2. @throws HostError `HOST_READ_FAILED`
 */
export async function readCgroup(host: Reads, pid: number): Promise<ProcessGroup | undefined> {
  return parseCgroup((await readProcessFile(host, pid, 'cgroup')) ?? '')
}

/** Lists the pids in `/proc`, in ascending order. @throws HostError `HOST_READ_FAILED` */
export async function listPids(host: Pick<Host, 'list'>): Promise<readonly number[]> {
  const names = (await host.list('/proc')).filter((name) => /^[1-9]\d{0,9}$/.test(name))
  return names.map(Number).toSorted((one, other) => one - other)
}

/**
 * Reads every process in `/proc`, by pid. Processes that end meanwhile are left out.
 *
 * @throws HostError `HOST_READ_FAILED`, also when a single process cannot be read: a result without it would hide that process.
 */
export async function readProcesses(host: Pick<Host, 'list' | 'read'>): Promise<readonly ProcessStatus[]> {
  const processes: ProcessStatus[] = []
  for (const [n, pid] of (await listPids(host)).entries()) {
    if (n % atOnce === atOnce - 1) await giveWay()
    const process = await readStatus(host, pid)
    if (process !== undefined) processes.push(process)
  }
  return processes
}

/** Returns the live processes with one of these uids as real, effective, saved or file system id. Pure. */
export function processesOf<Process extends Pick<ProcessStatus, 'alive' | 'uids'>>(
  processes: readonly Process[],
  uids: ReadonlySet<number>,
): readonly Process[] {
  return processes.filter((process) => process.alive && process.uids.some((uid) => uids.has(uid)))
}

/** An empty file belongs to a process that has ended. Any other text that cannot be parsed is an error, so that no process stays hidden. */
function parsed<Value>(
  pid: number,
  file: string,
  text: string | undefined,
  parse: (text: string) => Value | undefined,
): Value | undefined {
  if (text === undefined || text === '') return undefined
  const value = parse(text)
  if (value !== undefined) return value
  throw new HostError('HOST_READ_FAILED', {
    operation: 'read',
    path: `/proc/${pid}/${file}`,
    detail: 'the text has an unknown form',
  })
}

import { HostError, mapLimit, type Host } from '@puppy/host'
import { listPids, readCmdline, readStat, readStatus, type ProcessStat } from '@puppy/host/proc'
import { identifyProcess } from '@puppy/host/process'
import { setTimeout as sleep } from 'node:timers/promises'

/** Where processes are found, and which of them are ours. */
export interface OwnProcesses {
  /** The machine itself, also when the files are below another root. */
  readonly machine: Host
  /** The path of the configuration file. A process that was started with it is ours. */
  readonly config: string
}

/** A process that runs with our configuration file. */
export interface OwnProcess {
  readonly pid: number
  readonly parent: number
}

/**
 * Returns whether a command line is that of a HAProxy with this configuration file. Pure.
 *
 * A reload adds arguments to the master's command line (`-sf 15974 -x sockpair@3`) and keeps `-f` and the path. A process that has
 * ended and is not reaped yet has no arguments.
 */
export function isOurCommand(words: readonly string[], config: string): boolean {
  const program = words[0]?.slice(words[0].lastIndexOf('/') + 1)
  return program === 'haproxy' && words.some((word, index) => word === '-f' && words[index + 1] === config)
}

/** Parses a pid file: one whole number above 1. Returns undefined for any other text. */
export function parsePidFile(text: string): number | undefined {
  const pid = /^([0-9]{1,9})\s*$/.exec(text)?.[1]
  return pid === undefined || Number(pid) < 2 ? undefined : Number(pid)
}

/** Returns whether this process is alive and is a HAProxy with our configuration. Reads two files of /proc, rarely more. */
export async function isOurs(own: OwnProcesses, pid: number): Promise<boolean> {
  for (let turn = 0; turn < 100; turn++) {
    const words = (await visible(readCmdline(own.machine, pid))) ?? []
    if (words.length > 0) return isOurCommand(words, own.config) && isOwnedByUs(own, pid)
    if (!isBetweenPrograms(await visible(readStat(own.machine, pid)))) return false
    await sleep(5)
  }
  return false
}

/**
 * Returns whether we started a process. A master has our own uid. A worker may run as another user, but its parent is such a master.
 * The command line alone proves nothing: every process can choose its own.
 */
async function isOwnedByUs({ machine, config }: OwnProcesses, pid: number): Promise<boolean> {
  const status = await visible(readStatus(machine, pid))
  if (status === undefined) return false
  const uid = process.geteuid?.()
  if (status.uid === uid) return true
  if (status.parent < 1 || (await visible(readStatus(machine, status.parent)))?.uid !== uid) return false
  return isOurCommand((await visible(readCmdline(machine, status.parent))) ?? [], config)
}

/**
 * Reads a text that changes with every execve(2) of a process: its command line and the start of its stack, which the kernel chooses at
 * random. Without the right to see the start of the stack, the kernel shows 0 and only the command line counts.
 */
export async function readImage({ machine }: OwnProcesses, pid: number): Promise<string> {
  const words = (await visible(readCmdline(machine, pid))) ?? []
  return `${words.join('\0')}\0${(await visible(readStat(machine, pid)))?.stackStart ?? ''}`
}

/**
 * Returns whether a HAProxy with an empty command line is in the middle of execve(2). Otherwise it has ended and is not reaped yet.
 * A master executes its program again in every reload. Pure.
 */
export function isBetweenPrograms(stat: ProcessStat | undefined): boolean {
  return stat?.name === 'haproxy' && stat.alive
}

/** How many processes are read at a time. */
const atOnce = 32

/** Returns every living HAProxy process with our configuration: masters, workers and old workers. */
export async function findOurs(own: OwnProcesses): Promise<readonly OwnProcess[]> {
  const found = await mapLimit(await listPids(own.machine), atOnce, async (pid) => {
    if (!(await isOurs(own, pid))) return undefined
    const stat = await visible(readStat(own.machine, pid))
    return stat === undefined ? undefined : { pid, parent: stat.parent }
  })
  return found.filter((one) => one !== undefined)
}

/** Sends a signal to a process if it is still ours. Returns whether it was sent. @throws HostError `HOST_SIGNAL_FAILED` */
export async function signalOurs(own: OwnProcesses, pid: number, signal: NodeJS.Signals): Promise<boolean> {
  const found = await visible(identifyProcess(own.machine, pid))
  return found !== undefined && (await isOurs(own, pid)) && own.machine.signal(found, signal)
}

/** With the mount option `hidepid` the files of another user's process cannot be read. Such a process is not ours. */
async function visible<Value>(reading: Promise<Value>): Promise<Value | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof HostError && ['EACCES', 'EPERM'].includes(error.facts.errno ?? '')) return undefined
    throw error
  }
}

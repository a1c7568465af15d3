import { readdir } from 'node:fs/promises'
import { errno, HostError } from './errors.ts'
import { readProcessFile, readStat, readStatus } from './proc/process.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { readText } from './replace.ts'
import { sendSignal } from './signal.ts'
import { waitFor } from './wait.ts'

/** The environment variable with the marks of the locks that were held when a program was started, separated by commas. */
export const marksVariable = 'HOST_LOCKS'

/** A program that a process started while it held a lock, and that has outlived this process. */
interface Leftover extends ProcessIdentity {
  /** Whether a signal or a debugger has stopped it. It does not end by itself. */
  readonly stopped: boolean
}

/** Options of `endLeftovers`. */
export interface LeftoverOptions {
  /** Milliseconds until the programs must have ended. 0 looks once, and ends only what is stopped. */
  readonly timeout: number
  readonly signal?: AbortSignal
  /** Uids of programs that count, besides the uid of this process. */
  readonly users?: readonly number[]
}

const machine = { read: readText }

/**
 * Waits until the programs with this mark have ended, so that two processes never change the same files. A stopped program receives SIGKILL
 * at once, and a program that still runs after half of the time receives it then. Returns the pids of programs that do not end.
 *
 * Looks only at processes whose uids all belong to this process or to `users`. The environment of another process is no proof, because its
 * user writes it, and reading it can block.
 *
 * @throws HostError `HOST_READ_FAILED`, `HOST_SIGNAL_FAILED`; the reason of the signal when it is aborted
 * @see proc_pid_environ(5)
 */
export async function endLeftovers(mark: string, options: LeftoverOptions): Promise<readonly number[]> {
  const { timeout, signal, users = [] } = options
  const uids = new Set([...(process.getuid === undefined ? [] : [process.getuid()]), ...users])
  const patience = performance.now() + timeout / 2
  let left: readonly Leftover[] = []
  const haveEnded = async () => {
    left = await findLeftovers(mark, uids)
    const late = performance.now() > patience && timeout > 0
    for (const one of left.filter(({ stopped }) => stopped || late)) sendSignal(one, 'SIGKILL', true)
    return left.length === 0
  }
  await waitFor(haveEnded, { timeout, ...(signal === undefined ? {} : { signal }) })
  return left.map(({ pid }) => pid)
}

async function findLeftovers(mark: string, uids: ReadonlySet<number>): Promise<readonly Leftover[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[1-9]\d{0,9}$/.test(name)).map(Number)
  const found: Leftover[] = []
  for (const pid of pids) {
    if (pid === process.pid) continue
    const status = await readStatus(machine, pid)
    if (status?.alive !== true || !status.uids.every((uid) => uids.has(uid))) continue
    const stat = await readStat(machine, pid)
    if (stat === undefined || !(await readMarks(pid)).includes(mark)) continue
    found.push({ pid, started: stat.started, stopped: /^[Tt]$/.test(status.state) })
  }
  return found
}

/** Returns the marks of a process. Returns none for a process that has ended or that we may not read. */
async function readMarks(pid: number): Promise<readonly string[]> {
  try {
    const text = (await readProcessFile(machine, pid, 'environ')) ?? ''
    const entry = text.split('\0').find((one) => one.startsWith(`${marksVariable}=`))
    return entry?.slice(marksVariable.length + 1).split(',') ?? []
  } catch (error) {
    const name = error instanceof HostError ? error.facts.errno : errno(error)
    if (name === 'EACCES' || name === 'EPERM') return []
    throw error
  }
}

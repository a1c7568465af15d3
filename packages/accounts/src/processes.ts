import { HostError, type Host } from '@puppy/host'

/** A process of the machine. */
export interface Process {
  readonly pid: number
  /** The real uid: whoever started it. */
  readonly uid: number
  /** Real, effective, saved and file system uid; a process that changes identity has several. */
  readonly uids: readonly number[]
  /** The kernel's short name, up to 15 bytes. */
  readonly command: string
  /** Whether it still can do anything; a zombie that waits for its parent cannot. */
  readonly alive: boolean
}

/**
 * Reads every process that `/proc` shows us. Ones that end meanwhile are left out.
 * @throws HostError `HOST_READ_FAILED` when `/proc` cannot be read.
 */
export async function readProcesses(machine: Host): Promise<readonly Process[]> {
  const pids = (await machine.list('/proc')).filter((name) => /^[0-9]+$/.test(name))
  const processes = await Promise.all(pids.map((pid) => readProcess(machine, pid)))
  return processes.filter((process) => process !== undefined).toSorted((one, other) => one.pid - other.pid)
}

async function readProcess(machine: Host, pid: string): Promise<Process | undefined> {
  try {
    return parseStatus((await machine.read(`/proc/${pid}/status`)) ?? '')
  } catch (error) {
    // ESRCH: it ended between open and read. Any other reason for one process would hide it, so it goes up.
    if (error instanceof HostError && error.facts.detail === 'ESRCH') return undefined
    throw error
  }
}

/**
 * Reads `/proc/PID/status`, or gives undefined for text that is not one.
 *
 * A zombie counts as alive while it has threads: its first thread may end and leave the others running.
 *
 * @see proc_pid_status(5)
 */
export function parseStatus(text: string): Process | undefined {
  // By lines and from the last one: a process chooses its own name, which stands in the first line and may hold every
  // character but the line feed, so `\rUid:\t0` in it must not be read as a line.
  const lines = text.split('\n')
  const field = (name: string) => lines.findLast((line) => line.startsWith(`${name}:\t`))?.slice(name.length + 2)
  const [pid, uids, state] = [field('Pid'), field('Uid'), field('State')]
  if (pid === undefined || uids === undefined || state === undefined) return undefined
  const numbers = uids.split('\t').map(Number)
  if (![Number(pid), ...numbers].every(Number.isSafeInteger) || numbers.length !== 4) return undefined
  const alive = !/^[ZX]/.test(state) || Number(field('Threads') ?? 1) > 1
  return { pid: Number(pid), uid: numbers[0]!, uids: numbers, command: field('Name') ?? '', alive }
}

/** The live processes that act, or could act again, as one of these uids. */
export function processesOf(processes: readonly Process[], uids: ReadonlySet<number>): readonly Process[] {
  return processes.filter((process) => process.alive && process.uids.some((uid) => uids.has(uid)))
}

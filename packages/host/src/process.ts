import type { EffectOptions } from './facility/effect.ts'
import type { Host } from './host.ts'
import { readCmdline, readStat } from './proc/process.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { waitFor } from './wait.ts'

export type { ProcessIdentity } from './process-identity.ts'

/** A process that runs. */
export interface RunningProcess extends ProcessIdentity {
  /** Its words; none for a kernel thread. */
  readonly command: readonly string[]
}

/** A file that names a process, so that it is found again: number and start, such as `4242 1766000`. */
export interface PidFile {
  readonly path: string
  /** Returns the process that the file names, if that one still runs. @throws HostError `HOST_READ_FAILED` */
  read(): Promise<RunningProcess | undefined>
  /** Writes the identity of a process; nothing when it has ended. @throws HostError `HOST_READ_FAILED`, `HOST_WRITE_FAILED` */
  write(pid: number): Promise<void>
  /** Removes the file. @throws HostError `HOST_WRITE_FAILED` */
  remove(): Promise<void>
}

/** Identifies a process; undefined when it has ended, also when its parent has not reaped it yet. @throws HostError `HOST_READ_FAILED` */
export async function identifyProcess(host: Pick<Host, 'read'>, pid: number): Promise<RunningProcess | undefined> {
  const stat = await readStat(host, pid)
  if (stat?.alive !== true) return undefined
  const command = await readCmdline(host, pid)
  return { pid, started: stat.started, command }
}

/** Returns whether a process still runs, and not another one with its number. @throws HostError `HOST_READ_FAILED` */
export async function isRunning(host: Pick<Host, 'read'>, { pid, started }: ProcessIdentity): Promise<boolean> {
  const stat = await readStat(host, pid)
  return stat?.alive === true && stat.started === started
}

/**
 * Sends a signal to a process and waits until it has ended. Returns whether it has. Another process with its number is left alone.
 *
 * @throws HostError `HOST_SIGNAL_FAILED`, `HOST_NOT_LIVE`, `HOST_READ_FAILED`; the signal's own reason when it is aborted
 */
export async function endProcess(
  host: Pick<Host, 'read' | 'signal'>,
  process: ProcessIdentity,
  signal: NodeJS.Signals,
  options: EffectOptions = {},
): Promise<boolean> {
  if (!(await host.signal(process, signal))) return true
  return (await waitFor(async () => !(await isRunning(host, process)), options)) === true
}

/** Opens a file that names a process. Nothing is read or written yet. */
export function openPidFile(host: Pick<Host, 'read' | 'replace' | 'remove'>, path: string): PidFile {
  return Object.freeze<PidFile>({
    path,
    read: async () => {
      const [, pid, started] = /^([1-9]\d{0,9}) (\d{1,15})\n$/.exec((await host.read(path)) ?? '') ?? []
      if (pid === undefined || pid === '1') return undefined
      const found = await identifyProcess(host, Number(pid))
      return found?.started === Number(started) ? found : undefined
    },
    write: async (pid) => {
      const found = await identifyProcess(host, pid)
      if (found !== undefined) await host.replace(path, `${pid} ${found.started}\n`, { mode: 0o644 })
    },
    remove: async () => {
      await host.remove(path)
    },
  })
}

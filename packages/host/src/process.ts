import type { EffectOptions } from './facility/effect.ts'
import type { Host } from './host.ts'
import { readCmdline, readStat } from './proc/process.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { waitFor } from './wait.ts'

export type { ProcessIdentity } from './process-identity.ts'

/** A running process. */
export interface RunningProcess extends ProcessIdentity {
  /** Its arguments. Empty for a kernel thread. */
  readonly command: readonly string[]
}

/** A file that identifies a process by pid and start time, such as `4242 1766000`. */
export interface PidFile {
  readonly path: string
  /** Returns the process in the file, if it still runs. @throws HostError `HOST_READ_FAILED` */
  read(): Promise<RunningProcess | undefined>
  /**
   * Writes the identity of a process. Writes nothing when the process has ended. @throws HostError `HOST_READ_FAILED`, `HOST_WRITE_FAILED`
   */
  write(pid: number): Promise<void>
  /** Removes the file. @throws HostError `HOST_WRITE_FAILED` */
  remove(): Promise<void>
}

/**
 * Identifies a process. Returns undefined when it has ended, also when its parent has not reaped it yet. @throws HostError
 * `HOST_READ_FAILED`
 */
export async function identifyProcess(host: Pick<Host, 'read'>, pid: number): Promise<RunningProcess | undefined> {
  const stat = await readStat(host, pid)
  if (stat?.alive !== true) return undefined
  const command = await readCmdline(host, pid)
  return { pid, started: stat.started, command }
}

/** Returns whether this process still runs. False when another process has its pid now. @throws HostError `HOST_READ_FAILED` */
export async function isRunning(host: Pick<Host, 'read'>, { pid, started }: ProcessIdentity): Promise<boolean> {
  const stat = await readStat(host, pid)
  return stat?.alive === true && stat.started === started
}

/**
 * Sends a signal to a process and waits until it has ended. Returns whether it has ended within the timeout. Does not touch another process
 * that has the same pid.
 *
 * @throws HostError `HOST_SIGNAL_FAILED`, `HOST_NOT_LIVE`, `HOST_READ_FAILED`; the reason of `options.signal` when it is aborted
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

/** Opens a file that identifies a process. Does not read or write it yet. */
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

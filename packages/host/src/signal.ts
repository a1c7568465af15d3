import { readFileSync } from 'node:fs'
import { errno, HostError } from './errors.ts'
import { parseStat } from './proc/stat.ts'

/** A process, known by its number and its start, so that another process with the same number is not taken for it. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks since boot, as `ProcessStat.started`. */
  readonly started: number
}

/**
 * Asserts that a number names one process that a signal may be sent to.
 *
 * @throws TypeError for 0 and negative numbers, which kill(2) takes for groups of processes, and for 1, which is the init
 */
export function assertSignalable(pid: number): void {
  if (!Number.isSafeInteger(pid) || pid < 2) throw new TypeError(`No signal is sent to the process ${pid}`)
}

/** Sends a signal to a process of this machine: `Host.signal`. Reads synchronously, so that nothing happens between look and signal. */
export function sendSignal(target: ProcessIdentity, signal: NodeJS.Signals, live: boolean): boolean {
  assertSignalable(target.pid)
  const operation = `send ${signal} to the process ${target.pid}`
  if (!live) {
    const detail = 'it would change the machine itself, and this host is only a folder'
    throw new HostError('HOST_NOT_LIVE', { operation, detail })
  }
  try {
    const found = parseStat(readFileSync(`/proc/${target.pid}/stat`, 'utf8'))
    if (found?.alive !== true || found.started !== target.started) return false
    return process.kill(target.pid, signal)
  } catch (cause) {
    const name = errno(cause)
    if (name === 'ESRCH' || name === 'ENOENT') return false
    const detail = name ?? String(cause)
    throw new HostError('HOST_SIGNAL_FAILED', {
      operation,
      detail,
      cause,
      ...(name === undefined ? {} : { errno: name }),
    })
  }
}

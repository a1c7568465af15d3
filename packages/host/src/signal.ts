import { readFileSync } from 'node:fs'
import { errno, HostError } from './errors.ts'
import { parseStat } from './proc/stat.ts'
import { assertSignalable, type ProcessIdentity } from './process-identity.ts'

/** Sends a signal to a process of this machine: `Host.signal`. Synchronous, so that no other work runs between the check and the signal. */
export function sendSignal(target: ProcessIdentity, signal: NodeJS.Signals, live: boolean): boolean {
  assertSignalable(target.pid)
  const operation = `send ${signal} to the process ${target.pid}`
  if (!live) {
    const detail = 'it changes the machine, and this host is only a folder; use a host with root /'
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

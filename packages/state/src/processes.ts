import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { errno } from '@puppy/host/errors'

/** A process, known by number and start, so that a number used again is not mistaken for it. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly started: number
  /** Its arguments; empty for a kernel thread or a process that is only waiting to be reaped. */
  readonly command: readonly string[]
}

/** Reads who a process is; undefined when it has ended, also when nobody has reaped it yet. @see proc(5) */
export async function readProcess(pid: number): Promise<ProcessIdentity | undefined> {
  try {
    const [stat, cmdline] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
    ])
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return { pid, started: Number(fields[19]), command: cmdline.split('\0').slice(0, -1) }
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ESRCH') return undefined
    throw error
  }
}

/** Sends a signal and waits until the process is gone. Gives whether it is. Another with the same number is left alone. */
export async function signalProcess(
  pid: number,
  signal: NodeJS.Signals,
  options: { readonly wait: number },
): Promise<boolean> {
  const before = await readProcess(pid)
  if (before === undefined) return true
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (errno(error) !== 'ESRCH') throw error
  }
  for (const until = Date.now() + options.wait; Date.now() < until; await sleep(20)) {
    if ((await readProcess(pid))?.started !== before.started) return true
  }
  return false
}

import type { EffectOptions, Host } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { effectOptions, runProgram } from '../program.ts'

/** One row of `/proc/locks`: a process and the file that it has locked. */
export interface KernelLock {
  readonly pid: number
  /** `fe:00`, major and minor in hexadecimal. */
  readonly device: string
  readonly inode: string
}

/** A process that holds a lock. */
export interface LockHolder {
  readonly pid: number
  /** The name of the process, or `?` when the process has just ended. */
  readonly name: string
}

/**
 * Parses `/proc/locks`. Leaves out waiting processes (`->`) and lines of another form.
 *
 *     1: FLOCK  ADVISORY  WRITE 1234 fe:00:1179735 0 EOF
 */
export function parseLocks(text: string): readonly KernelLock[] {
  return text.split('\n').flatMap((line) => {
    const [, pid, device, inode] =
      /^\d+: (?:FLOCK|POSIX|OFDLCK) +\w+ +\w+ +(-?\d+) ([0-9a-f]+:[0-9a-f]+):(\d+) /.exec(line) ?? []
    if (pid === undefined || device === undefined || inode === undefined) return []
    return [{ pid: Number(pid), device, inode }]
  })
}

/** Converts a device number from the format `%D` of stat(1) to the format of `/proc/locks`. */
export function deviceOf(hex: string): string {
  const number = BigInt(`0x${hex}`)
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n)
  const major = (number >> 8n) & 0xfffn
  return `${major.toString(16).padStart(2, '0')}:${minor.toString(16).padStart(2, '0')}`
}

/** Finds the process that holds the lock of a file. Returns undefined when no process holds it, or the file does not exist. */
export async function findHolder(
  host: Host,
  path: string,
  options: EffectOptions = {},
): Promise<LockHolder | undefined> {
  if ((await host.status(path)) === undefined) return undefined
  const operation = 'find the process that locks'
  const { stdout } = await runProgram(host, ['stat', '--format=%D %i', '--', host.path(path)], {
    operation,
    target: path,
    touches: 'nothing',
    ...effectOptions(options),
  })
  const [, hex, inode] = /^([0-9a-f]+) (\d+)\n$/.exec(stdout) ?? []
  if (hex === undefined || inode === undefined) {
    throw new SelinuxError('SELINUX_UNREADABLE', {
      operation,
      target: path,
      said: stdout.slice(0, 200),
      detail: 'the output of stat has an unknown form',
    })
  }
  // Read by a program, because these files belong to the kernel even when a folder is used as the root of a machine.
  const kernel = async (file: string) =>
    (await runProgram(host, ['cat', file], { operation, target: path, touches: 'nothing', ...effectOptions(options) }))
      .stdout
  const lock = parseLocks(await kernel('/proc/locks')).find(
    (row) => row.inode === inode && row.device === deviceOf(hex),
  )
  if (lock === undefined) return undefined
  // The process may end at any moment, and then it has no name.
  const name = await kernel(`/proc/${lock.pid}/comm`).catch(() => '?')
  return { pid: lock.pid, name: name.trim() }
}

import type { Host } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { bounded, runProgram, type EffectOptions } from '../program.ts'

/** One row of `/proc/locks`: who holds what. */
export interface KernelLock {
  readonly pid: number
  /** `fe:00`, major and minor in hexadecimal. */
  readonly device: string
  readonly inode: string
}

/** A process that has a lock. */
export interface LockHolder {
  readonly pid: number
  /** Its name, or `?` when it just went away. */
  readonly name: string
}

/**
 * Parses `/proc/locks`; those that only wait (`->`) are left away, and so is a line of another shape.
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

/** A device's number as `/proc/locks` writes it, from stat(1)'s `%D`. */
export function deviceOf(hex: string): string {
  const number = BigInt(`0x${hex}`)
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n)
  const major = (number >> 8n) & 0xfffn
  return `${major.toString(16).padStart(2, '0')}:${minor.toString(16).padStart(2, '0')}`
}

/** Finds who holds the lock of a file; undefined when nobody does, or no such file is there. */
export async function findHolder(
  host: Host,
  path: string,
  options: EffectOptions = {},
): Promise<LockHolder | undefined> {
  if ((await host.status(path)) === undefined) return undefined
  const operation = 'look who holds the lock of'
  const { stdout } = await runProgram(host, ['stat', '--format=%D %i', '--', host.path(path)], {
    operation,
    target: path,
    touches: 'nothing',
    ...bounded(options),
  })
  const [, hex, inode] = /^([0-9a-f]+) (\d+)\n$/.exec(stdout) ?? []
  if (hex === undefined || inode === undefined) {
    throw new SelinuxError('SELINUX_UNREADABLE', {
      operation,
      target: path,
      said: stdout.slice(0, 200),
      detail: 'stat',
    })
  }
  // By a program: these are the kernel's, whichever folder stands for the root of the machine.
  const kernel = async (file: string) =>
    (await runProgram(host, ['cat', file], { operation, target: path, touches: 'nothing', ...bounded(options) })).stdout
  const lock = parseLocks(await kernel('/proc/locks')).find(
    (row) => row.inode === inode && row.device === deviceOf(hex),
  )
  if (lock === undefined) return undefined
  // It may end at any moment, and then has no name left.
  const name = await kernel(`/proc/${lock.pid}/comm`).catch(() => '?')
  return { pid: lock.pid, name: name.trim() }
}

import type { EffectOptions, Host } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { effectOptions, runProgram } from '../program.ts'
import type { StorePaths } from './paths.ts'

/** A transaction copies the store, and also writes policies of about the same size. */
const copies = 3

/**
 * Checks that the file system of the store has enough space for a transaction: three times the size of the store.
 *
 * @throws SelinuxError `SELINUX_NO_SPACE`.
 */
export async function assertSpace(
  host: Host,
  { store, active }: StorePaths,
  options: EffectOptions = {},
): Promise<void> {
  const operation = 'find space for a transaction in'
  const run = { operation, target: store, touches: 'nothing', ...effectOptions(options) } as const
  const [used, free] = await Promise.all([
    runProgram(host, ['du', '--summarize', '--block-size=1', '--', host.path(active)], run),
    runProgram(host, ['df', '--block-size=1', '--output=avail', '--', host.path(store)], run),
  ])
  const needed = copies * Number(/^(\d+)\t/.exec(used.stdout)?.[1] ?? Number.NaN)
  const available = Number(/^\s*Avail\n\s*(\d+)\n$/.exec(free.stdout)?.[1] ?? Number.NaN)
  if (Number.isNaN(needed) || Number.isNaN(available)) {
    throw new SelinuxError('SELINUX_UNREADABLE', { operation, target: store, said: used.stdout + free.stdout })
  }
  if (available >= needed) return
  const detail = `${available} bytes are free, and a transaction may need ${needed}; free some space, then try again`
  throw new SelinuxError('SELINUX_NO_SPACE', { operation, target: store, detail })
}

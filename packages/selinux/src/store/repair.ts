import type { EffectOptions, Host } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { effectOptions, runProgram } from '../program.ts'
import { disabledFolder, storePaths } from './paths.ts'
import { readStore } from './read-store.ts'

/**
 * Restores the previous store when a transaction was killed between its two renames: `active` to `previous`, and the new store to
 * `active`. Then `active` is missing, or it is an empty folder that `semodule -l` of another process has created.
 *
 * Removes only empty folders. The caller must hold the lock of this library.
 *
 * @returns whether the store was restored.
 * @throws SelinuxError `SELINUX_BROKEN`, `SELINUX_REFUSED`.
 */
export async function repairStore(host: Host, type: string, options: EffectOptions = {}): Promise<boolean> {
  if (!(await readStore(host, type)).interrupted) return false
  const { store, active, previous, lock } = storePaths(type)
  for (const folder of [disabledFolder(active), `${active}/modules`, active]) await host.remove(folder)
  // Holds the lock of the tools, so that no tool creates an empty folder meanwhile.
  const move = ['mv', '--no-target-directory', '--', host.path(previous), host.path(active)] as const
  await runProgram(host, ['flock', '--wait', '10', host.path(lock), ...move], {
    operation: 'restore the store',
    target: store,
    touches: 'files',
    ...effectOptions(options),
  })
  if (!(await readStore(host, type)).interrupted) return true
  throw new SelinuxError('SELINUX_BROKEN', {
    operation: 'restore the store',
    target: store,
    detail: 'the store is still empty; install the policy package of the distribution again',
  })
}

import type { EffectOptions, Host } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { effectOptions, runProgram } from '../program.ts'
import { disabledFolder, storePaths } from './paths.ts'
import { readStore } from './read-store.ts'

/**
 * Restores the store from before a transaction that was ended between its two renames: `active` to `previous`, and the new one to
 * `active`. Then there is no `active`, or an empty one that `semodule -l` of another process has made.
 *
 * Only empty folders are removed. The caller holds our lock.
 *
 * @returns whether the store was restored.
 * @throws SelinuxError `SELINUX_BROKEN`, `SELINUX_REFUSED`.
 */
export async function repairStore(host: Host, type: string, options: EffectOptions = {}): Promise<boolean> {
  if (!(await readStore(host, type)).interrupted) return false
  const { store, active, previous, lock } = storePaths(type)
  for (const folder of [disabledFolder(active), `${active}/modules`, active]) await host.remove(folder)
  // Under the tools' own lock, so that none of them makes an empty folder meanwhile.
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
    detail: 'it is still empty',
  })
}

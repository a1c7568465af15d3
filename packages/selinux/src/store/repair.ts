import type { Host } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { bounded, runProgram, type EffectOptions } from '../program.ts'
import { readStore, storePaths } from './observe.ts'

/**
 * Puts back the store from before a transaction that was ended between its two renames: `active` to `previous`, and the new one to
 * `active`. There is no `active` then, or an empty one that somebody's `semodule -l` has made.
 *
 * Nothing is removed that has anything in it. Hold our lock.
 *
 * @returns whether there was something to repair.
 * @throws SelinuxError `SELINUX_BROKEN`, `SELINUX_REFUSED`.
 */
export async function repairStore(host: Host, type: string, options: EffectOptions = {}): Promise<boolean> {
  if (!(await readStore(host, type)).interrupted) return false
  const { store, active, previous, lock } = storePaths(type)
  for (const folder of [`${active}/modules/disabled`, `${active}/modules`, active]) await host.remove(folder)
  // Under the tools' own lock, so that none of them makes an empty one meanwhile.
  const move = ['mv', '--no-target-directory', '--', host.path(previous), host.path(active)] as const
  await runProgram(host, ['flock', '--wait', '10', host.path(lock), ...move], {
    operation: 'put back the store',
    target: store,
    touches: 'files',
    ...bounded(options),
  })
  if (!(await readStore(host, type)).interrupted) return true
  throw new SelinuxError('SELINUX_BROKEN', {
    operation: 'put back the store',
    target: store,
    detail: 'it is still empty',
  })
}

import { existsSync } from 'node:fs'
import type { Relabel } from './replace.ts'
import { findProgram, runProgram } from './run.ts'

/** As many pairs as fit well below the length that the kernel takes for arguments, whatever the paths. */
const atOnce = 200

/** On a machine with SELinux a replaced file keeps the context of the one it replaces; elsewhere there is nothing to do. */
export function createRelabel(live: boolean): Relabel | undefined {
  const [chcon, stat] = [findProgram('chcon'), findProgram('stat')]
  if (!live || chcon === undefined || stat === undefined || !existsSync('/sys/fs/selinux/enforce')) return undefined
  const run = (program: string, args: readonly string[]) =>
    runProgram([program, ...args], { touches: 'files' }, { live, heldDescriptors: () => [] })
  return async (pairs) => {
    const [first] = pairs
    if (pairs.length === 1 && first !== undefined) {
      await run(chcon, [`--reference=${first.from}`, '--', first.to])
      return
    }
    for (let at = 0; at < pairs.length; at += atOnce) {
      const some = pairs.slice(at, at + atOnce)
      const paths = some.flatMap(({ from, to }) => [from, to])
      const { stdout } = await run(stat, [String.raw`--printf=%C\0`, '--', ...paths])
      for (const [context, files] of planContexts(some, stdout)) await run(chcon, ['--', context, ...files])
    }
  }
}

/**
 * Says which files are to get which context; those that have it already are left out. Pure.
 *
 * @param contexts of each pair's `from` and `to`, in order, each ended by a NUL, as `stat --printf='%C\0'` prints them
 * @throws Error when there are not two for each pair.
 */
export function planContexts(pairs: Parameters<Relabel>[0], contexts: string): ReadonlyMap<string, readonly string[]> {
  const words = contexts.split('\0')
  if (words.length !== pairs.length * 2 + 1) throw new Error('stat did not tell the context of every file')
  const plan = new Map<string, string[]>()
  for (const [index, { to }] of pairs.entries()) {
    const [wanted = '', has] = words.slice(index * 2)
    if (wanted !== has) plan.set(wanted, [...(plan.get(wanted) ?? []), to])
  }
  return plan
}

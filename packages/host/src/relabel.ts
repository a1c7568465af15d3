import { existsSync } from 'node:fs'
import type { Command, RunOptions, RunResult } from './command.ts'
import { findProgram } from './find-program.ts'
import type { Relabel } from './replace.ts'

/** File pairs for one program. They always fit into the argument limit of the kernel. */
const atOnce = 200

/**
 * Creates the function that copies the context of a file to its replacement. Returns undefined when SELinux is not enabled.
 *
 * @param run runs a program until it ends
 */
export function createRelabel(run: (command: Command, options: RunOptions) => Promise<RunResult>): Relabel | undefined {
  const [chcon, stat] = [findProgram('chcon'), findProgram('stat')]
  if (chcon === undefined || stat === undefined || !existsSync('/sys/fs/selinux/enforce')) return undefined
  const call = (program: string, args: readonly string[]) => run([program, ...args], { touches: 'files' })
  return async (pairs) => {
    const [first] = pairs
    if (pairs.length === 1 && first !== undefined) {
      await call(chcon, [`--reference=${first.from}`, '--', first.to])
      return
    }
    for (let at = 0; at < pairs.length; at += atOnce) {
      const some = pairs.slice(at, at + atOnce)
      const paths = some.flatMap(({ from, to }) => [from, to])
      const { stdout } = await call(stat, [String.raw`--printf=%C\0`, '--', ...paths])
      for (const [context, files] of groupByContext(some, stdout)) await call(chcon, ['--', context, ...files])
    }
  }
}

/**
 * Groups files by the context that each should get. Files that already have it are left out. Pure.
 *
 * @param contexts the contexts of `from` and `to` of each pair in order, each terminated by a NUL, as `stat --printf='%C\0'` prints them
 * @throws Error when there are not two contexts for each pair.
 */
export function groupByContext(
  pairs: Parameters<Relabel>[0],
  contexts: string,
): ReadonlyMap<string, readonly string[]> {
  const words = contexts.split('\0')
  if (words.length !== pairs.length * 2 + 1) throw new Error('stat did not print the context of every file')
  const groups = new Map<string, string[]>()
  for (const [index, { to }] of pairs.entries()) {
    const [context = '', has] = words.slice(index * 2)
    if (context !== has) groups.set(context, [...(groups.get(context) ?? []), to])
  }
  return groups
}

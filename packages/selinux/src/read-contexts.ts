import type { EffectOptions, Host } from '@puppy/host'
import { contextIn, type Context } from './context.ts'
import { SelinuxError } from './errors.ts'
import { effectOptions, runProgram } from './program.ts'

/** A file and its context. The context is absent when the file has none, or one that cannot be parsed. */
export interface FileContext {
  readonly path: string
  readonly context?: Context
}

/**
 * Reads the contexts of files in their order, links not followed, with one process. A file that does not exist is left out.
 *
 * @throws SelinuxError `SELINUX_INVALID` for a path that is not absolute, `SELINUX_REFUSED`, `SELINUX_TIMEOUT`, `SELINUX_NOT_INSTALLED`.
 */
export async function readContexts(
  host: Host,
  paths: readonly string[],
  options: EffectOptions = {},
): Promise<readonly FileContext[]> {
  const operation = 'read the context of'
  const wrong = paths.find((path) => !/^\/[^\0]*$/.test(path))
  if (wrong !== undefined) {
    throw new SelinuxError('SELINUX_INVALID', { operation, target: wrong, detail: 'the path must be absolute' })
  }
  if (paths.length === 0) return []
  const { stdout } = await runProgram(
    host,
    ['find', '-P', '-files0-from', '-', '-maxdepth', '0', '-printf', '%Z\\0%p\\0'],
    {
      operation,
      target: paths[0] ?? '',
      touches: 'nothing',
      input: paths.map((path) => `${host.path(path)}\0`).join(''),
      accept: [0, 1],
      ...effectOptions(options),
    },
  )
  const words = stdout.split('\0')
  const found = new Map(words.flatMap((word, at) => (at % 2 === 1 ? [[word, words[at - 1] ?? '']] : [])))
  return paths.flatMap((path) => {
    const text = found.get(host.path(path))
    if (text === undefined) return []
    // find prints nothing, or what the file system has, which may be anything.
    const context = contextIn(text)
    return [context === undefined ? { path } : { path, context }]
  })
}

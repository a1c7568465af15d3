import { readContexts as readTexts, type EffectOptions, type Host } from '@puppy/host'
import { contextIn, type Context } from './context.ts'

/** A file and its context. The context is absent when the file has none or an invalid one. */
export interface FileContext {
  readonly path: string
  readonly context?: Context
}

/**
 * Reads the contexts of files in the order of the paths, with one process. Does not follow links. Leaves out files that do not exist.
 *
 * @throws TypeError for a path that is not absolute.
 * @throws HostError as `Host.run`.
 */
export async function readContexts(
  host: Host,
  paths: readonly string[],
  options: EffectOptions = {},
): Promise<readonly FileContext[]> {
  const texts = await readTexts(host, paths, options)
  return paths.flatMap((path) => {
    const text = texts.get(path)
    if (text === undefined) return []
    // A file system may store any text as the context of a file.
    const context = contextIn(text)
    return [context === undefined ? { path } : { path, context }]
  })
}

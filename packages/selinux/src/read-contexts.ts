import { readContexts as readTexts, type EffectOptions, type Host } from '@puppy/host'
import { contextIn, type Context } from './context.ts'

/** A file and its context. The context is absent when the file has none, or one that cannot be parsed. */
export interface FileContext {
  readonly path: string
  readonly context?: Context
}

/**
 * Reads the contexts of files in their order, links not followed, with one process. A file that does not exist is left out.
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
    // A file system may have anything as the context of a file.
    const context = contextIn(text)
    return [context === undefined ? { path } : { path, context }]
  })
}

import { compileCache, flags } from './node-command.ts'

const attempt = 'PUPPY_ATTEMPT'
const attempts = Number(process.env[attempt] ?? 0)
delete process.env[attempt]

/**
 * Executes this program again in the same process, if its code did not come from the compile cache or V8 does not have the flags.
 *
 * To read TypeScript, Node loads a type stripper that stays in memory until the process ends: 30 MB, and growing. The cache contains the
 * code without types. So a long-lived process starts once to fill the cache and once more to use it. Call it when all modules are loaded
 * and no work has started: open files and child processes are lost. Does nothing where the cache cannot be written, and for a process that
 * received a socket, which would be lost too.
 *
 * @see execve(2), "Module compile cache" in Node's documentation
 */
export async function restartIfStripped(): Promise<void> {
  if (process.env['LISTEN_FDS'] !== undefined) return
  const isReady = !hasStripper() && flags.every((flag) => process.execArgv.includes(flag))
  if (isReady || attempts >= 2 || process.execve === undefined) return
  const { enableCompileCache, flushCompileCache } = await import('node:module')
  enableCompileCache(compileCache)
  flushCompileCache()
  const env = { NODE_COMPILE_CACHE: compileCache, ...process.env, [attempt]: String(attempts + 1) }
  const options = new Set([...process.execArgv, ...flags, noWarning])
  process.execve(process.execPath, [process.execPath, ...options, ...process.argv.slice(1)], env)
}

const noWarning = '--disable-warning=ExperimentalWarning'

/** Returns whether Node has loaded the type stripper. */
export function hasStripper(): boolean {
  const { moduleLoadList = [] } = process as { readonly moduleLoadList?: readonly string[] }
  return moduleLoadList.some((name) => name.includes('internal/deps/amaro/'))
}

import { compileCache, flags } from './node-command.ts'

const attempt = 'PUPPY_ATTEMPT'
const attempts = Number(process.env[attempt] ?? 0)
delete process.env[attempt]

/**
 * Begins this process again, as the same process, if its code did not come out of the compile cache or V8 was not told what it should be.
 *
 * To read TypeScript, Node loads a stripper of types that stays in memory, 30 MB and growing, to the end of the process. The cache keeps
 * the code without types, so a process that lives long starts once to fill it and once more to use it. To be called when all is loaded and
 * nothing has begun: open files and children are lost. Does nothing where the cache cannot be written.
 *
 * @see execve(2), "Module compile cache" in Node's documentation
 */
export async function restartIfStripped(): Promise<void> {
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

/** Whether Node has loaded what takes types out of TypeScript. */
export function hasStripper(): boolean {
  const { moduleLoadList = [] } = process as { readonly moduleLoadList?: readonly string[] }
  return moduleLoadList.some((name) => name.includes('internal/deps/amaro/'))
}

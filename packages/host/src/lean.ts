import { rm } from 'node:fs/promises'
import { writeFailed } from './errors.ts'
import type { Host } from './host.ts'
import { createLocks } from './lock.ts'
import { readText, replaceFile, statusOf } from './replace.ts'
import { sendSignal } from './signal.ts'

export { startProgram } from './run.ts'

/** Takes a lock on this machine, as `Host.lock` does. Started programs do not inherit it. @throws HostError as `Host.lock` */
export const { lock } = createLocks(async (path) => path)

/**
 * Part of a `Host` for this machine, for a long-lived process that does little. A complete `Host` would be a third of the memory that such
 * a process uses beyond Node itself.
 *
 * It works as `Host` does, except that it copies no SELinux context and removes no folder.
 */
export const machine: Pick<Host, 'read' | 'replace' | 'remove' | 'signal'> = Object.freeze({
  read: readText,
  replace: (path, text, options = {}) => replaceFile(path, text, options),
  remove: async (path) => {
    const changed = (await statusOf(path)) !== undefined
    await rm(path, { force: true }).catch((error: unknown) => {
      throw writeFailed('remove', path, error)
    })
    return { changed }
  },
  signal: async (process, signal) => sendSignal(process, signal, true),
} satisfies Pick<Host, 'read' | 'replace' | 'remove' | 'signal'>)

import { rm } from 'node:fs/promises'
import { writeFailed } from './errors.ts'
import { createLocks } from './lock.ts'
import { readText, replaceFile } from './replace.ts'
import type { ReplaceOptions } from './status.ts'

export { startProgram } from './run.ts'

/** Takes a lock on this machine, as `Host.lock` does. No program inherits it. @throws HostError as `Host.lock` */
export const { lock } = createLocks(async (path) => path)

/**
 * Reads, replaces and removes files of ours on this machine, as `Host` does, but does not copy SELinux contexts.
 *
 * For a process that lives long and does little: a whole `Host` would be a third of the memory that it adds to a bare Node.
 */
export const files = {
  read: (path: string) => readText(path, 64 * 1024 * 1024),
  replace: (path: string, text: string, options: ReplaceOptions) => replaceFile(path, text, options),
  remove: async (path: string) => {
    await rm(path, { force: true }).catch((error: unknown) => {
      throw writeFailed('remove', path, error)
    })
  },
}

import { dirname } from 'node:path'
import { HostError } from '../errors.ts'
import type { Host } from '../host.ts'
import type { Lock, LockOptions } from '../lock-options.ts'
import { folder, located, type Entry } from './files.ts'

/** Creates the locks of a fake host. They exclude each other within that host. */
export function fakeLocks(entries: Map<string, Entry>): Host['lock'] {
  const held = new Set<string>()
  return async (path: string, options: LockOptions = {}): Promise<Lock> => {
    const at = located(path)
    const until = Date.now() + (options.timeout ?? 10_000)
    for (;;) {
      if (options.signal?.aborted === true) throw new HostError('HOST_ABORTED', { operation: 'lock', path })
      if (!held.has(at) && (options.visible !== true || takeFolder(entries, `${at}.lock`))) break
      if (Date.now() >= until) throw new HostError('HOST_LOCK_TIMEOUT', { operation: 'lock', path })
      await new Promise((wake) => setTimeout(wake, 5))
    }
    held.add(at)
    let mine = true
    const release = async () => {
      if (!mine) return
      mine = false
      held.delete(at)
      if (options.visible === true) entries.delete(`${at}.lock`)
    }
    return Object.freeze({ path, lost: new AbortController().signal, release, [Symbol.asyncDispose]: release })
  }
}

/** Creates the folder of a visible lock. A folder of another program counts as in use, whatever its age. */
function takeFolder(entries: Map<string, Entry>, path: string): boolean {
  const found = entries.get(path)
  const refused = found === undefined ? !entries.has(dirname(path)) : found.status.kind !== 'folder'
  if (refused)
    throw new HostError('HOST_LOCK_FAILED', { operation: 'lock', path, detail: 'no folder can be created there' })
  if (found !== undefined && (found.status.mode & 0o1000) === 0) return false
  entries.set(path, folder({ mode: 0o1700 }))
  return true
}

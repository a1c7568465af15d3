import { lstatSync, mkdirSync, rmdirSync, utimesSync, type Stats } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { errno, HostError } from './errors.ts'
import { waitFor } from './wait.ts'

/** The lock of the npm package proper-lockfile, as long as we hold it. */
export interface HeldFolder {
  /** Aborted when another program took it away. */
  readonly lost: AbortSignal
  /** Removes the folder, unless another program has it now. */
  release(): Promise<void>
}

/** Milliseconds after which proper-lockfile takes a folder that nothing refreshed for a remnant, by default. */
const stale = 10_000

/** Milliseconds between two refreshes: half of the shortest `stale` that proper-lockfile lets a program choose. */
const refresh = 1000

/**
 * The sticky bit says that we made the folder. mkdir(2) sets it in the same step, proper-lockfile never does, and unlike a marker inside the
 * folder it keeps no program from removing the folder.
 */
const sticky = 0o1000

/**
 * Holds the lock that proper-lockfile takes: a folder, made by mkdir(2), whose modification time is refreshed.
 *
 * The caller holds flock(2) for the same file, so that no other process of ours has the folder: one that we made and that is there all the
 * same is left from a process that was killed, and is removed at once. A folder of another program is a remnant when nothing refreshed it for
 * ten seconds. Looking and removing are synchronous, so that only microseconds lie between them.
 *
 * @param path the folder
 * @param timeout milliseconds to wait for another program; 0 tries once
 * @throws HostError `HOST_LOCK_TIMEOUT`, `HOST_LOCK_FAILED`, `HOST_ABORTED`
 */
export async function holdFolder(path: string, timeout: number, signal?: AbortSignal): Promise<HeldFolder> {
  const options = { timeout, ...(signal === undefined ? {} : { signal }) }
  const taken = await waitFor(() => takeFolder(path), options).catch((cause: unknown) => {
    if (signal?.aborted !== true) throw cause
    throw new HostError('HOST_ABORTED', { operation: 'lock', path, detail: 'the caller gave up', cause })
  })
  if (taken === true) return keepFolder(path)
  const detail = 'another program holds the lock of proper-lockfile'
  throw new HostError('HOST_LOCK_TIMEOUT', { operation: 'make the folder', path, detail })
}

/** Follows the links of a path as proper-lockfile does. The file itself may not be there. */
export async function resolveLinks(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (errno(error) !== 'ENOENT') throw lockFailed(path, error)
  }
  try {
    return join(await realpath(dirname(path)), basename(path))
  } catch (error) {
    throw lockFailed(path, error)
  }
}

/** Makes the folder; false while another program has it. */
function takeFolder(path: string): boolean {
  if (makeFolder(path)) return true
  const found = lookAt(path)
  if (found !== undefined) {
    if (!found.isDirectory()) throw lockFailed(path, new Error('something else than a folder is there'))
    if (!isOurs(found) && found.mtimeMs >= Date.now() - stale) return false
    removeFolder(path)
  }
  return makeFolder(path)
}

function isOurs(found: Stats): boolean {
  return (found.mode & sticky) !== 0
}

/** Refreshes the folder until it is released or lost. */
function keepFolder(path: string): HeldFolder {
  const controller = new AbortController()
  const timer = setInterval(() => {
    try {
      const found = lookAt(path)
      const now = new Date()
      if (found?.isDirectory() === true && isOurs(found)) return utimesSync(path, now, now)
    } catch {
      // A file system that does not answer now may do so the next time: until then the folder grows old.
      return
    }
    clearInterval(timer)
    const detail = 'another program took the lock of proper-lockfile away'
    controller.abort(new HostError('HOST_LOCK_LOST', { operation: 'refresh the folder', path, detail }))
  }, refresh)
  timer.unref()
  return {
    lost: controller.signal,
    release: async () => {
      clearInterval(timer)
      const found = lookAt(path)
      if (found?.isDirectory() === true && isOurs(found)) removeFolder(path)
    },
  }
}

function makeFolder(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 | sticky })
    return true
  } catch (error) {
    if (errno(error) === 'EEXIST') return false
    throw lockFailed(path, error)
  }
}

function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined
    throw lockFailed(path, error)
  }
}

function removeFolder(path: string): void {
  try {
    rmdirSync(path)
  } catch (error) {
    if (errno(error) !== 'ENOENT') throw lockFailed(path, error)
  }
}

function lockFailed(path: string, cause: unknown): HostError {
  const name = errno(cause)
  return new HostError('HOST_LOCK_FAILED', {
    operation: 'lock',
    path,
    cause,
    detail: name ?? (cause instanceof Error ? cause.message : String(cause)),
    ...(name === undefined ? {} : { errno: name }),
  })
}

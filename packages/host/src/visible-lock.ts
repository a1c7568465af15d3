import { lstatSync, mkdirSync, rmdirSync, utimesSync, type Stats } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { errno, HostError } from './errors.ts'
import { waitFor } from './wait.ts'

/** A held lock of the npm package proper-lockfile. */
export interface HeldFolder {
  /** Aborted when another program has taken the lock. */
  readonly lost: AbortSignal
  /** Removes the folder, unless another program has taken the lock. */
  release(): Promise<void>
}

/** Milliseconds without a refresh after which proper-lockfile considers a lock stale, by default. */
const stale = 10_000

/** Milliseconds between two refreshes: half of the smallest `stale` that proper-lockfile allows. */
const refresh = 1000

/**
 * The sticky bit marks folders that this package created. mkdir(2) sets it in the same step, and proper-lockfile never sets it. Unlike a
 * marker file inside the folder, it does not prevent other programs from removing the folder.
 */
const sticky = 0o1000

/**
 * Takes the lock of proper-lockfile: a folder, created with mkdir(2), whose modification time is refreshed.
 *
 * The caller holds flock(2) for the same file, so no other process that uses this package holds the folder. A folder of this package that
 * exists nevertheless was left by a killed process, and is removed at once. A folder of another program is stale after ten seconds without
 * a refresh. Check and removal are synchronous, so only microseconds pass between them.
 *
 * @param path the folder
 * @param timeout milliseconds to wait for another program; 0 tries once
 * @throws HostError `HOST_LOCK_TIMEOUT`, `HOST_LOCK_FAILED`, `HOST_ABORTED`
 */
export async function holdFolder(path: string, timeout: number, signal?: AbortSignal): Promise<HeldFolder> {
  const options = { timeout, ...(signal === undefined ? {} : { signal }) }
  const taken = await waitFor(() => takeFolder(path), options).catch((cause: unknown) => {
    if (signal?.aborted !== true) throw cause
    throw new HostError('HOST_ABORTED', { operation: 'lock', path, detail: 'the caller aborted it', cause })
  })
  if (taken === true) return keepFolder(path)
  const detail = 'another program holds the lock of proper-lockfile; wait until it releases the lock'
  throw new HostError('HOST_LOCK_TIMEOUT', { operation: 'make the folder', path, detail })
}

/** Resolves the links of a path as proper-lockfile does. The file itself need not exist. @throws HostError `HOST_LOCK_FAILED` */
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

/** Creates the folder. Returns false while another program holds it. */
function takeFolder(path: string): boolean {
  if (makeFolder(path)) return true
  const found = readStats(path)
  if (found !== undefined) {
    if (!found.isDirectory()) throw lockFailed(path, new Error('the path exists and is not a folder'))
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
      const found = readStats(path)
      const now = new Date()
      if (found?.isDirectory() === true && isOurs(found)) return utimesSync(path, now, now)
    } catch {
      // The file system may work again at the next refresh. Until then the folder is not refreshed.
      return
    }
    clearInterval(timer)
    const detail = 'another program took the lock of proper-lockfile, because it was not refreshed in time'
    controller.abort(new HostError('HOST_LOCK_LOST', { operation: 'refresh the folder', path, detail }))
  }, refresh)
  timer.unref()
  return {
    lost: controller.signal,
    release: async () => {
      clearInterval(timer)
      const found = readStats(path)
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

function readStats(path: string): Stats | undefined {
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

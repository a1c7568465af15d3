import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { lstat, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errno, HostError, readFailed, writeFailed } from './errors.ts'
import {
  sameMetadata,
  statusFrom,
  wantedMetadata,
  type FileStatus,
  type Metadata,
  type ReplaceOptions,
} from './status.ts'

/** Sets the SELinux context of each `to` to that of its `from`. */
export type Relabel = (pairs: readonly { readonly from: string; readonly to: string }[]) => Promise<void>

/**
 * Returns whether a file name is that of a temporary file of `replace`. A killed process leaves such a file. The owner of the folder may
 * remove it. Pure.
 */
export function isUnfinished(name: string): boolean {
  return /^\.puppy-[0-9a-f]{12}\.tmp$/.test(name)
}

/**
 * Returns a new file name in the folder of a path. The name need not be secret, because the file is opened only if it does not exist. So
 * `node:crypto` (2 MB of memory) is not loaded.
 */
export function temporaryBeside(path: string): string {
  const name = Math.floor(Math.random() * 2 ** 48).toString(16)
  return join(dirname(path), `.puppy-${name.padStart(12, '0')}.tmp`)
}

/** Replaces one file atomically and durably: `Files.replace`. */
export async function replaceFile(
  path: string,
  text: string,
  options: ReplaceOptions,
  relabel?: Relabel,
): Promise<{ readonly changed: boolean }> {
  const before = await statusOf(path)
  const kept = before?.kind === 'file' ? before : undefined
  const wanted = wantedMetadata(kept, options)
  if (kept !== undefined && sameMetadata(kept, wanted) && kept.size === Buffer.byteLength(text)) {
    if ((await readText(path, { maxBytes: kept.size + 1 })) === text) return { changed: false }
  }
  const temporary = temporaryBeside(path)
  try {
    await writeTemporary(temporary, text, wanted)
    if (kept !== undefined) await relabel?.([{ from: path, to: temporary }])
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    // The first error is the one to report: in a folder that is no folder, this fails too.
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error instanceof HostError ? error : writeFailed('replace', path, error)
  }
  return { changed: true }
}

async function writeTemporary(path: string, text: string, wanted: Metadata): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    const stat = await file.stat()
    if (wanted.uid !== undefined || wanted.gid !== undefined) {
      await file.chown(wanted.uid ?? stat.uid, wanted.gid ?? stat.gid)
    }
    // After chown, which clears set-id bits. An explicit chmod, because open applies the umask to its mode.
    await file.chmod(wanted.mode)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Waits until the entries of a folder are on disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Reads kind, mode, owner and size of a path: `Files.status`. */
export async function statusOf(path: string): Promise<FileStatus | undefined> {
  try {
    return statusFrom(await lstat(path))
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return undefined
    throw readFailed(path, error)
  }
}

/** Options of `Files.read`. */
export interface ReadOptions {
  /** The most bytes to read. Default 64 MiB. */
  readonly maxBytes?: number
  /**
   * Reads synchronously, which takes a third of the time or less (`npm run bench -- host`). Only for small files that the kernel makes from
   * its own memory, such as `/proc/PID/status`. A file that can wait, such as `/proc/PID/cmdline`, would block this process.
   */
  readonly blocking?: boolean
}

const readFlags = constants.O_RDONLY | constants.O_NONBLOCK

/** Reads a text file: `Files.read`. */
export async function readText(path: string, options: ReadOptions = {}): Promise<string | undefined> {
  const { maxBytes = 64 * 1024 * 1024, blocking = false } = options
  try {
    return blocking ? readAtOnce(path, maxBytes) : await readInPool(path, maxBytes)
  } catch (error) {
    if (error instanceof HostError) throw error
    throw readFailed(path, error)
  }
}

async function readInPool(path: string, maxBytes: number): Promise<string | undefined> {
  const file = await open(path, readFlags).catch(unlessMissing)
  if (file === undefined) return undefined
  try {
    const { size } = await file.stat()
    if (size > maxBytes) throw tooLarge(path, maxBytes)
    return bounded(path, await file.readFile('utf8'), maxBytes)
  } finally {
    await file.close()
  }
}

function readAtOnce(path: string, maxBytes: number): string | undefined {
  const file = openAtOnce(path)
  if (file === undefined) return undefined
  try {
    if (fstatSync(file).size > maxBytes) throw tooLarge(path, maxBytes)
    return bounded(path, readFileSync(file, 'utf8'), maxBytes)
  } finally {
    closeSync(file)
  }
}

function openAtOnce(path: string): number | undefined {
  try {
    return openSync(path, readFlags)
  } catch (error) {
    return unlessMissing(error)
  }
}

function unlessMissing(error: unknown): undefined {
  if (errno(error) !== 'ENOENT' && errno(error) !== 'ENOTDIR') throw error
}

/** stat(2) reports size 0 for kernel files, so the length is checked again after reading. */
function bounded(path: string, text: string, maxBytes: number): string {
  if (text.length > maxBytes) throw tooLarge(path, maxBytes)
  return text
}

function tooLarge(path: string, maxBytes: number): HostError {
  return new HostError('HOST_FILE_TOO_LARGE', {
    operation: 'read',
    path,
    detail: `it is larger than the limit of ${maxBytes} bytes`,
  })
}

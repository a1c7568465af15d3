import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, chown, lstat, mkdir, open, readdir, readlink, realpath, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { errno, HostError } from './errors.ts'

export interface ReplaceOptions {
  /** Permission bits. Default: those of the file that is replaced, or 0600 for a new one. */
  readonly mode?: number
  /** Default: the owner of the file that is replaced, or us. Giving a file away needs root. */
  readonly uid?: number
  readonly gid?: number
}

export interface FileStatus {
  readonly kind: 'file' | 'folder' | 'link' | 'other'
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Bytes. */
  readonly size: number
}

export interface Files {
  /** Where a path of the machine is below the root. @throws HostError `HOST_PATH_OUTSIDE_ROOT` */
  path(path: string): string

  /**
   * Reads a whole text file as UTF-8, or gives undefined when there is none.
   * @throws HostError `HOST_READ_FAILED`, `HOST_FILE_TOO_LARGE` (over `maxBytes`, default 64 MiB).
   */
  read(path: string, options?: { readonly maxBytes?: number }): Promise<string | undefined>

  /** The names in a folder, sorted; none when the folder is not there. @throws HostError `HOST_READ_FAILED` */
  list(path: string): Promise<readonly string[]>

  /** What stands at a path, links not followed; undefined when nothing does. @throws HostError `HOST_READ_FAILED` */
  status(path: string): Promise<FileStatus | undefined>

  /** Where a symbolic link leads, as it is written; undefined when no link stands there. @throws HostError `HOST_READ_FAILED` */
  readLink(path: string): Promise<string | undefined>

  /**
   * Makes a file hold exactly this text, old or new and nothing between, also when the power fails.
   *
   * Writes a temporary file beside it, fsyncs, renames, and fsyncs the folder. Keeps mode, owner and SELinux context
   * of what it replaces unless told otherwise. Does nothing when text, mode and owner are as wanted already. A link at
   * that path is replaced, not followed. The folder must be there.
   *
   * @throws HostError `HOST_WRITE_FAILED`.
   */
  replace(path: string, text: string, options?: ReplaceOptions): Promise<{ readonly changed: boolean }>

  /**
   * Makes a folder with this mode and owner, its parents as plain 0755 ones. An existing folder gets mode and owner.
   * @throws HostError `HOST_WRITE_FAILED` also when something that is no folder stands there.
   */
  makeFolder(path: string, options?: ReplaceOptions): Promise<{ readonly changed: boolean }>

  /** Removes one file or one empty folder; it is no error when nothing is there. @throws HostError `HOST_WRITE_FAILED` */
  remove(path: string): Promise<{ readonly changed: boolean }>
}

type Relabel = ((from: string, to: string) => Promise<void>) | undefined

export function createFiles(root: string, relabel?: Relabel): Files {
  const path = (name: string) => below(root, name)
  return {
    path,
    read: (name, options = {}) => readText(path(name), options.maxBytes ?? 64 * 1024 * 1024),
    list: (name) => listFolder(path(name)),
    status: (name) => statusOf(path(name)),
    readLink: (name) => readLink(path(name)),
    replace: async (name, text, options = {}) => {
      await assertInside(root, path(name))
      return replaceFile(path(name), text, options, relabel)
    },
    makeFolder: async (name, options = {}) => {
      await assertInside(root, path(name))
      return makeFolder(path(name), options)
    },
    remove: async (name) => {
      await assertInside(root, path(name))
      return removeOne(path(name))
    },
  }
}

function below(root: string, name: string): string {
  if (!name.startsWith('/') || name.includes('\0')) {
    const detail = 'paths are absolute and have no NUL'
    throw new HostError('HOST_PATH_OUTSIDE_ROOT', { operation: 'use the path', path: name, detail })
  }
  // Normalized first: `/../x` is `/x` to the machine, and joined as it stands it would leave the root.
  return join(root, normalize(name))
}

/** A link inside a scratch root (`root/etc -> /etc`) must not lead a write out of it. */
async function assertInside(root: string, path: string): Promise<void> {
  if (root === '/') return
  const [home, parent] = await Promise.all([realpath(root), nearestExisting(dirname(path))])
  if (parent === home || parent.startsWith(`${home}/`)) return
  throw new HostError('HOST_PATH_OUTSIDE_ROOT', { operation: 'write', path, detail: `a link leads to ${parent}` })
}

async function nearestExisting(folder: string): Promise<string> {
  try {
    return await realpath(folder)
  } catch (error) {
    if (errno(error) !== 'ENOENT' || folder === '/') throw error
    return nearestExisting(dirname(folder))
  }
}

async function readText(path: string, maxBytes: number): Promise<string | undefined> {
  let file
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return undefined
    throw readFailed(path, error)
  }
  try {
    const { size } = await file.stat()
    if (size > maxBytes) throw tooLarge(path, maxBytes)
    const text = await file.readFile('utf8')
    if (text.length > maxBytes) throw tooLarge(path, maxBytes)
    return text
  } catch (error) {
    if (error instanceof HostError) throw error
    throw readFailed(path, error)
  } finally {
    await file.close()
  }
}

function tooLarge(path: string, maxBytes: number): HostError {
  return new HostError('HOST_FILE_TOO_LARGE', { operation: 'read', path, detail: `it has more than ${maxBytes} bytes` })
}

function readFailed(path: string, cause: unknown): HostError {
  return new HostError('HOST_READ_FAILED', { operation: 'read', path, detail: errno(cause) ?? String(cause), cause })
}

function writeFailed(operation: string, path: string, cause: unknown): HostError {
  return new HostError('HOST_WRITE_FAILED', { operation, path, detail: errno(cause) ?? String(cause), cause })
}

async function listFolder(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).toSorted()
  } catch (error) {
    if (errno(error) === 'ENOENT') return []
    throw readFailed(path, error)
  }
}

async function statusOf(path: string): Promise<FileStatus | undefined> {
  try {
    const stat = await lstat(path)
    const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : stat.isSymbolicLink() ? 'link' : 'other'
    return { kind, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, size: stat.size }
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return undefined
    throw readFailed(path, error)
  }
}

/** EINVAL: something stands there that is no link. */
async function readLink(path: string): Promise<string | undefined> {
  try {
    return await readlink(path)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EINVAL'].includes(errno(error) ?? '')) return undefined
    throw readFailed(path, error)
  }
}

/**
 * Whether a name in a folder is what `replace` writes before it renames: one that was killed half way leaves it behind, and
 * whoever takes a folder of its own away may remove it.
 */
export function isUnfinished(name: string): boolean {
  return /^\.puppy-[0-9a-f]{12}\.tmp$/.test(name)
}

async function replaceFile(path: string, text: string, options: ReplaceOptions, relabel: Relabel) {
  const before = await statusOf(path)
  const kept = before?.kind === 'file' ? before : undefined
  const wanted = {
    mode: options.mode ?? kept?.mode ?? 0o600,
    uid: options.uid ?? kept?.uid,
    gid: options.gid ?? kept?.gid,
  }
  if (kept !== undefined && sameMetadata(kept, wanted) && kept.size === Buffer.byteLength(text)) {
    if ((await readText(path, kept.size + 1)) === text) return { changed: false }
  }
  const temporary = join(dirname(path), `.puppy-${randomBytes(6).toString('hex')}.tmp`)
  try {
    await writeTemporary(temporary, text, wanted)
    if (kept !== undefined) await relabel?.(path, temporary)
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error instanceof HostError ? error : writeFailed('replace', path, error)
  }
  return { changed: true }
}

interface Metadata {
  readonly mode: number
  readonly uid: number | undefined
  readonly gid: number | undefined
}

function sameMetadata(seen: FileStatus, wanted: Metadata): boolean {
  return (
    seen.mode === wanted.mode &&
    (wanted.uid === undefined || seen.uid === wanted.uid) &&
    (wanted.gid === undefined || seen.gid === wanted.gid)
  )
}

async function writeTemporary(path: string, text: string, wanted: Metadata): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    const stat = await file.stat()
    if (wanted.uid !== undefined || wanted.gid !== undefined) {
      await file.chown(wanted.uid ?? stat.uid, wanted.gid ?? stat.gid)
    }
    // After chown, which clears set-id bits, and explicitly, because the umask has cut the mode given to open.
    await file.chmod(wanted.mode)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function makeFolder(path: string, options: ReplaceOptions): Promise<{ readonly changed: boolean }> {
  const before = await statusOf(path)
  if (before !== undefined && before.kind !== 'folder') {
    throw new HostError('HOST_WRITE_FAILED', {
      operation: 'make the folder',
      path,
      detail: `a ${before.kind} stands there`,
    })
  }
  const wanted = { mode: options.mode ?? before?.mode ?? 0o755, uid: options.uid, gid: options.gid }
  if (before !== undefined && sameMetadata(before, wanted)) return { changed: false }
  try {
    if (before === undefined) {
      await mkdir(dirname(path), { recursive: true, mode: 0o755 })
      await mkdir(path, { mode: wanted.mode }).catch((error: unknown) => {
        if (errno(error) !== 'EEXIST') throw error
      })
    }
    const stat = await lstat(path)
    if (wanted.uid !== undefined || wanted.gid !== undefined) {
      await chown(path, wanted.uid ?? stat.uid, wanted.gid ?? stat.gid)
    }
    await chmod(path, wanted.mode)
  } catch (error) {
    throw writeFailed('make the folder', path, error)
  }
  return { changed: true }
}

async function removeOne(path: string): Promise<{ readonly changed: boolean }> {
  const before = await statusOf(path)
  if (before === undefined) return { changed: false }
  try {
    await (before.kind === 'folder' ? rmdir(path) : rm(path, { force: true }))
    await syncFolder(dirname(path))
  } catch (error) {
    throw writeFailed('remove', path, error)
  }
  return { changed: true }
}

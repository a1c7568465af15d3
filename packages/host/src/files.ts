import { chmod, chown, lstat, mkdir, readdir, readlink, rm, rmdir } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { askFile } from './ask.ts'
import { assertInside } from './inside.ts'
import { errno, HostError, readFailed, writeFailed } from './errors.ts'
import { readLinesOf, type Lines, type Place } from './lines.ts'
import { replaceMany, type FileText, type Replaced } from './replace-many.ts'
import { readText, replaceFile, statusOf, syncFolder, type Relabel } from './replace.ts'
import { sameMetadata, type FileStatus, type ReplaceOptions } from './status.ts'

export interface Files {
  /** Where a path of the machine is below the root. @throws HostError `HOST_PATH_OUTSIDE_ROOT` */
  path(path: string): string

  /**
   * Reads a whole text file as UTF-8, or gives undefined when there is none.
   * @throws HostError `HOST_READ_FAILED`, `HOST_FILE_TOO_LARGE` (over `maxBytes`, default 64 MiB).
   */
  read(path: string, options?: { readonly maxBytes?: number }): Promise<string | undefined>

  /**
   * Reads the complete lines of a file that grows, after a place or from its beginning; undefined when there is none. `'end'` gives
   * none and the place to go on from. At most a mebibyte: call again until there are none.
   * @throws HostError `HOST_READ_FAILED`, `HOST_FILE_TOO_LARGE` (a line of more than a mebibyte).
   */
  readLines(path: string, after?: Place | 'end'): Promise<Lines | undefined>

  /**
   * Writes a question to a file of the kernel's that answers (selinuxfs has them), and reads the answer from the same open file;
   * undefined when there is no such file.
   * @throws HostError `HOST_READ_FAILED`, with the errno as `facts.detail`: EINVAL says that the question makes no sense.
   */
  ask(path: string, question: string): Promise<string | undefined>

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
   * Makes many files hold exactly these texts, each as `replace` does, and each with a result of its own: one that fails does
   * not disturb the others. Everything that needs waiting for the disk is asked for at once, so that it is many times faster than
   * one after the other, and files are left alone that are as wanted already. Not for files that somebody else's file system
   * has: writing is done without a thread, waiting for the disk is not.
   *
   * When it is ended half way each file is old or new, and names that `isUnfinished` knows may be left beside them.
   *
   * @throws TypeError when a path is given twice; nothing else.
   */
  replaceMany(files: readonly FileText[]): Promise<readonly Replaced[]>

  /**
   * Makes a folder with this mode and owner, its parents as plain 0755 ones. An existing folder gets mode and owner.
   * @throws HostError `HOST_WRITE_FAILED` also when something that is no folder stands there.
   */
  makeFolder(path: string, options?: ReplaceOptions): Promise<{ readonly changed: boolean }>

  /** Removes one file or one empty folder; it is no error when nothing is there. @throws HostError `HOST_WRITE_FAILED` */
  remove(path: string): Promise<{ readonly changed: boolean }>
}

export function createFiles(root: string, relabel?: Relabel): Files {
  const path = (name: string) => below(root, name)
  return {
    path,
    read: (name, options = {}) => readText(path(name), options.maxBytes ?? 64 * 1024 * 1024),
    readLines: (name, after) => readLinesOf(path(name), after),
    ask: (name, question) => askFile(path(name), question),
    list: (name) => listFolder(path(name)),
    status: (name) => statusOf(path(name)),
    readLink: (name) => readLink(path(name)),
    replace: async (name, text, options = {}) => {
      await assertInside(root, path(name))
      return replaceFile(path(name), text, options, relabel)
    },
    replaceMany: async (files) => {
      const inside = new Map<string, Promise<void>>()
      const locate = async (name: string) => {
        const at = path(name)
        const folder = dirname(at)
        await (inside.get(folder) ?? inside.set(folder, assertInside(root, at)).get(folder))
        return at
      }
      return replaceMany(files, locate, relabel)
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

async function listFolder(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).toSorted()
  } catch (error) {
    if (errno(error) === 'ENOENT') return []
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

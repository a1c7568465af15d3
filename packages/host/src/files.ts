import { chmod, chown, lstat, mkdir, readdir, readlink, rm, rmdir } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { askFile } from './ask.ts'
import { errno, HostError, readFailed, writeFailed } from './errors.ts'
import type { FileText, Replaced } from './file-text.ts'
import { assertInside } from './inside.ts'
import { readLinesOf, type Lines, type Place } from './lines.ts'
import { replaceMany } from './replace-many.ts'
import { readText, replaceFile, statusOf, syncFolder, type ReadOptions, type Relabel } from './replace.ts'
import { sameMetadata, type FileStatus, type ReplaceOptions } from './status.ts'

/** The files of a host. Every path is absolute as the machine sees it. */
export interface Files {
  /** Returns where a path of the machine is below the root. @throws HostError `HOST_PATH_OUTSIDE_ROOT` */
  path(path: string): string

  /**
   * Reads a whole text file as UTF-8; undefined when it does not exist.
   *
   * @throws HostError `HOST_READ_FAILED`, `HOST_FILE_TOO_LARGE` (over `maxBytes`, default 64 MiB).
   */
  read(path: string, options?: ReadOptions): Promise<string | undefined>

  /**
   * Reads the complete lines of a file that grows, after a place or from its beginning; undefined when it does not exist. `'end'` returns no
   * line and the place to continue from. Reads a mebibyte at most: call it again until it returns no line.
   *
   * @throws HostError `HOST_READ_FAILED`, `HOST_FILE_TOO_LARGE` (a line of more than a mebibyte).
   */
  readLines(path: string, after?: Place | 'end'): Promise<Lines | undefined>

  /**
   * Writes a question to a file of the kernel that answers (selinuxfs has them), and reads the answer from the same open file; undefined
   * when the file does not exist.
   *
   * @throws HostError `HOST_READ_FAILED`, with the errno as `facts.errno`: EINVAL means that the question is invalid.
   */
  ask(path: string, question: string): Promise<string | undefined>

  /** Lists the names in a folder, sorted; none when it does not exist. @throws HostError `HOST_READ_FAILED` */
  list(path: string): Promise<readonly string[]>

  /** Reads what is at a path, links not followed; undefined when nothing is. @throws HostError `HOST_READ_FAILED` */
  status(path: string): Promise<FileStatus | undefined>

  /** Reads the target of a symbolic link as it is written; undefined when no link is there. @throws HostError `HOST_READ_FAILED` */
  readLink(path: string): Promise<string | undefined>

  /**
   * Makes a file hold exactly this text, old or new and nothing between, also when the power fails.
   *
   * Writes a temporary file beside it, fsyncs, renames, and fsyncs the folder. Keeps mode, owner and SELinux context
   * of the file that it replaces, unless the options say otherwise. Does nothing when text, mode and owner are right already. A link at
   * that path is replaced, not followed. The folder must exist.
   *
   * @throws HostError `HOST_WRITE_FAILED`.
   */
  replace(path: string, text: string, options?: ReplaceOptions): Promise<{ readonly changed: boolean }>

  /**
   * Makes many files hold exactly these texts, each as `replace` does, and each with a result of its own: one that fails does
   * not disturb the others. Everything that needs waiting for the disk is asked for at once, so that it is many times faster than
   * one after the other. Files that are right already are left alone. Not for file systems that can hang, such as those of users and of
   * networks: writing blocks this process, and only the wait for the disk does not.
   *
   * When it is killed half way, each file is old or new, and names that `isUnfinished` knows may be left beside them.
   *
   * @throws TypeError when a path is given twice; nothing else.
   */
  replaceMany(files: readonly FileText[]): Promise<readonly Replaced[]>

  /**
   * Makes a folder with this mode and owner, its parents as plain 0755 ones. An existing folder gets mode and owner.
   *
   * @throws HostError `HOST_WRITE_FAILED` also when something other than a folder is there.
   */
  makeFolder(path: string, options?: ReplaceOptions): Promise<{ readonly changed: boolean }>

  /** Removes one file or one empty folder. Idempotent. @throws HostError `HOST_WRITE_FAILED` */
  remove(path: string): Promise<{ readonly changed: boolean }>
}

/** Creates the access to the files below a root. `relabel` keeps the SELinux context of a file that is replaced. */
export function createFiles(root: string, relabel?: Relabel): Files {
  const path = (name: string) => below(root, name)
  return {
    path,
    read: (name, options) => readText(path(name), options),
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

/** EINVAL: something other than a link is there. */
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

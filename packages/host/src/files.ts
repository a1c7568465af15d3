import { chmod, chown, lstat, mkdir, readdir, readlink, rm, rmdir } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { askFile } from './ask.ts'
import { errno, HostError, readFailed, writeFailed } from './errors.ts'
import type { FileText, Replaced } from './file-text.ts'
import { assertInside } from './inside.ts'
import { readEachLineOf, readLinesOf, type Lines, type Place } from './lines.ts'
import { replaceMany } from './replace-many.ts'
import { readText, replaceFile, statusOf, syncFolder, type ReadOptions, type Relabel } from './replace.ts'
import { sameMetadata, type FileStatus, type ReplaceOptions } from './status.ts'

/** The files of a host. Every path is absolute as the machine sees it. */
export interface Files {
  /** Returns the location of a path of the machine below the root. @throws HostError `HOST_PATH_OUTSIDE_ROOT` */
  path(path: string): string

  /**
   * Reads a whole text file as UTF-8. Returns undefined when it does not exist.
   *
   * @throws HostError `HOST_READ_FAILED`, `HOST_FILE_TOO_LARGE` (more than `maxBytes`, default 64 MiB).
   */
  read(path: string, options?: ReadOptions): Promise<string | undefined>

  /**
   * Reads the complete lines of a growing file, from a place or from the beginning. Returns undefined when the file does not exist. With
   * `'end'`, returns no lines and the place at the end of the file.
   *
   * Reads at most one MiB. Call it again until it returns no lines.
   *
   * @throws HostError `HOST_READ_FAILED`, `HOST_FILE_TOO_LARGE` (a line of more than one MiB).
   */
  readLines(path: string, after?: Place | 'end'): Promise<Lines | undefined>

  /**
   * Reads a file line by line, and calls `visit` for each line until it returns false. A last line without a line feed is a line too. Returns
   * false when the file does not exist.
   *
   * Takes memory for a few lines only, so it also reads tables of the kernel that users can make arbitrarily long.
   *
   * @throws HostError `HOST_READ_FAILED`, `HOST_FILE_TOO_LARGE` (a line of more than one MiB).
   */
  readEachLine(path: string, visit: (line: string) => boolean): Promise<boolean>

  /**
   * Writes a question to a kernel file that answers (selinuxfs has such files), and reads the answer from the same open file. Returns
   * undefined when the file does not exist.
   *
   * @throws HostError `HOST_READ_FAILED`, with the errno as `facts.errno`: EINVAL means that the question is invalid.
   */
  ask(path: string, question: string): Promise<string | undefined>

  /** Lists the names in a folder, sorted. Returns an empty list when the folder does not exist. @throws HostError `HOST_READ_FAILED` */
  list(path: string): Promise<readonly string[]>

  /**
   * Reads kind, mode, owner and size of a path without following links. Returns undefined when nothing exists there. @throws HostError
   * `HOST_READ_FAILED`
   */
  status(path: string): Promise<FileStatus | undefined>

  /** Reads the target of a symbolic link, unchanged. Returns undefined when the path is not a link. @throws HostError `HOST_READ_FAILED` */
  readLink(path: string): Promise<string | undefined>

  /**
   * Replaces the text of a file atomically and durably: after a crash or power failure the file has either the old or the new text.
   *
   * Writes a temporary file in the same folder, fsyncs it, renames it, and fsyncs the folder. Keeps mode, owner and SELinux context of the
   * old file, unless the options say otherwise. Writes nothing when text, mode and owner are already right. Replaces a link at that path
   * and does not follow it. The folder must exist.
   *
   * @throws HostError `HOST_WRITE_FAILED`.
   */
  replace(path: string, text: string, options?: ReplaceOptions): Promise<{ readonly changed: boolean }>

  /**
   * Replaces the text of many files, each as `replace` does. Each file has its own result: a file that fails does not affect the other
   * files. All fsyncs run together, which is many times faster than one file after the other. Files that are already right are not written.
   *
   * Do not use it on file systems that can hang, such as FUSE or network file systems: writing blocks this process. Only the fsyncs do not
   * block.
   *
   * If the process is killed, each file has either its old or its new text. Temporary files may remain beside them: `isUnfinished`
   * recognizes their names.
   *
   * @throws TypeError when a path is listed twice; no other error.
   */
  replaceMany(files: readonly FileText[]): Promise<readonly Replaced[]>

  /**
   * Creates a folder with this mode and owner, and missing parents with mode 0755. Sets mode and owner of an existing folder.
   *
   * @throws HostError `HOST_WRITE_FAILED`, also when the path exists and is not a folder.
   */
  makeFolder(path: string, options?: ReplaceOptions): Promise<{ readonly changed: boolean }>

  /** Removes one file or one empty folder. Idempotent. @throws HostError `HOST_WRITE_FAILED` */
  remove(path: string): Promise<{ readonly changed: boolean }>
}

/** Creates the access to the files below a root. `relabel` copies the SELinux context of a file to its replacement. */
export function createFiles(root: string, relabel?: Relabel): Files {
  const path = (name: string) => below(root, name)
  return {
    path,
    read: (name, options) => readText(path(name), options),
    readLines: (name, after) => readLinesOf(path(name), after),
    readEachLine: (name, visit) => readEachLineOf(path(name), visit),
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
    const detail = 'a path must be absolute and must not contain a NUL'
    throw new HostError('HOST_PATH_OUTSIDE_ROOT', { operation: 'use the path', path: name, detail })
  }
  // Normalize before join: to the machine `/../x` is `/x`, but join alone would leave the root.
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

/** EINVAL: the path is not a link. */
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
      detail: `the path exists and is not a folder (kind: ${before.kind})`,
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

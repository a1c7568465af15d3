import { randomUUID } from 'node:crypto'
import { dirname, normalize } from 'node:path'
import { HostError } from '../errors.ts'
import { assertOnce, type FileText, type Replaced } from '../file-text.ts'
import type { Files } from '../files.ts'
import type { Lines, Place } from '../lines.ts'
import type { FileStatus, ReplaceOptions } from '../status.ts'

/** A file, folder or link of a fake host. */
export interface Entry {
  readonly status: FileStatus
  readonly text: string
  /** Unique for each created file. */
  readonly inode: string
}

/** Creates an entry for a folder. */
export function folder(options: ReplaceOptions = {}): Entry {
  return {
    text: '',
    inode: randomUUID(),
    status: { kind: 'folder', mode: options.mode ?? 0o755, uid: options.uid ?? 0, gid: options.gid ?? 0, size: 0 },
  }
}

function file(text: string, options: ReplaceOptions, before?: FileStatus): Entry {
  const size = Buffer.byteLength(text)
  const mode = options.mode ?? before?.mode ?? 0o600
  return {
    text,
    inode: randomUUID(),
    status: { kind: 'file', mode, uid: options.uid ?? before?.uid ?? 0, gid: options.gid ?? before?.gid ?? 0, size },
  }
}

/** Adds a text file with its folders to the entries. */
export function plant(entries: Map<string, Entry>, path: string, text: string): void {
  plantFolders(entries, dirname(located(path)))
  entries.set(located(path), file(text, { mode: 0o644 }))
}

/** Adds a symbolic link with its folders to the entries. */
export function plantLink(entries: Map<string, Entry>, path: string, target: string): void {
  plantFolders(entries, dirname(located(path)))
  const status = { kind: 'link', mode: 0o777, uid: 0, gid: 0, size: Buffer.byteLength(target) } as const
  entries.set(located(path), { text: target, status, inode: randomUUID() })
}

/** Appends to an existing file. The file keeps its inode. */
export function appendTo(entries: Map<string, Entry>, path: string, text: string): void {
  const before = entries.get(located(path))
  if (before?.status.kind !== 'file') refuse('append to', path, 'ENOENT')
  entries.set(located(path), { ...file(before.text + text, {}, before.status), inode: before.inode })
}

function plantFolders(entries: Map<string, Entry>, path: string): void {
  if (entries.has(path)) return
  plantFolders(entries, dirname(path))
  entries.set(path, folder())
}

/** Returns the normalized path. @throws HostError `HOST_PATH_OUTSIDE_ROOT` for a path that is not absolute or contains a NUL */
export function located(path: string): string {
  if (path.startsWith('/') && !path.includes('\0')) return normalize(path)
  const detail = 'a path must be absolute and must not contain a NUL'
  throw new HostError('HOST_PATH_OUTSIDE_ROOT', { operation: 'use the path', path, detail })
}

/** Throws the error for a file that cannot be read or written. */
export function refuse(operation: string, path: string, detail: string): never {
  throw new HostError(operation === 'read' ? 'HOST_READ_FAILED' : 'HOST_WRITE_FAILED', { operation, path, detail })
}

function linesOf(path: string, entry: Entry | undefined, after?: Place | 'end'): Lines | undefined {
  if (entry === undefined) return undefined
  if (entry.status.kind === 'folder') refuse('read', path, 'EISDIR')
  const bytes = Buffer.from(entry.text)
  const file = `0:${entry.inode}`
  if (after === 'end') return { lines: [], place: { file, offset: bytes.length }, restarted: false }
  const restarted = after !== undefined && (after.file !== file || after.offset > bytes.length)
  const rest = bytes.subarray(after === undefined || restarted ? 0 : after.offset)
  const end = rest.lastIndexOf('\n') + 1
  const lines = end === 0 ? [] : rest.toString('utf8', 0, end - 1).split('\n')
  return { lines, place: { file, offset: bytes.length - rest.length + end }, restarted }
}

/** Creates the access to files in memory. */
export function fakeFiles(entries: Map<string, Entry>): Omit<Files, 'ask'> {
  const files: Omit<Files, 'ask'> = {
    path: located,
    read: async (name, options = {}) => {
      const entry = entries.get(located(name))
      if (entry?.status.kind === 'folder') refuse('read', name, 'EISDIR')
      if (entry === undefined || entry.text.length <= (options.maxBytes ?? Infinity)) return entry?.text
      throw new HostError('HOST_FILE_TOO_LARGE', { operation: 'read', path: name })
    },
    readEachLine: async (name, visit) => {
      const text = await files.read(name)
      if (text === undefined) return false
      if (text !== '') (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n').every((line) => visit(line))
      return true
    },
    readLines: async (name, after) => linesOf(name, entries.get(located(name)), after),
    list: async (name) => {
      const at = located(name)
      return [...entries.keys()]
        .filter((path) => path !== '/' && dirname(path) === at)
        .map((path) => path.slice(path.lastIndexOf('/') + 1))
        .toSorted()
    },
    status: async (name) => entries.get(located(name))?.status,
    readLink: async (name) => {
      const entry = entries.get(located(name))
      return entry?.status.kind === 'link' ? entry.text : undefined
    },
    replace: async (name, text, options = {}) => put(entries, located(name), text, options),
    replaceMany: async (files) => putMany(entries, files),
    makeFolder: async (name, options = {}) => putFolder(entries, located(name), options),
    remove: async (name) => removeEntry(entries, located(name)),
  }
  return files
}

function put(entries: Map<string, Entry>, path: string, text: string, options: ReplaceOptions) {
  if (entries.get(dirname(path))?.status.kind !== 'folder') refuse('replace', path, 'ENOENT')
  const before = entries.get(path)
  if (before?.status.kind === 'folder') refuse('replace', path, 'EISDIR')
  const entry = file(text, options, before?.status)
  if (before !== undefined && same(before, entry)) return { changed: false }
  entries.set(path, entry)
  return { changed: true }
}

function putMany(entries: Map<string, Entry>, files: readonly FileText[]): readonly Replaced[] {
  assertOnce(files)
  return files.map(({ path, text, makeFolder, ...options }) => {
    try {
      const at = located(path)
      if (makeFolder === true) putFolder(entries, dirname(at), {})
      return { path, ...put(entries, at, text, options) }
    } catch (error) {
      if (!(error instanceof HostError)) throw error
      return { path, changed: false, error }
    }
  })
}

function putFolder(entries: Map<string, Entry>, path: string, options: ReplaceOptions) {
  const before = entries.get(path)
  if (before !== undefined && before.status.kind !== 'folder')
    refuse('make the folder', path, `the path exists and is not a folder (kind: ${before.status.kind})`)
  plantFolders(entries, dirname(path))
  const entry = folder({ ...before?.status, ...options })
  if (before !== undefined && same(before, entry)) return { changed: false }
  entries.set(path, entry)
  return { changed: true }
}

function removeEntry(entries: Map<string, Entry>, path: string) {
  if ([...entries.keys()].some((other) => other.startsWith(`${path}/`))) refuse('remove', path, 'ENOTEMPTY')
  return { changed: entries.delete(path) }
}

function same(one: Entry, other: Entry): boolean {
  return (
    (['kind', 'mode', 'uid', 'gid'] as const).every((key) => one.status[key] === other.status[key]) &&
    one.text === other.text
  )
}

import { randomUUID } from 'node:crypto'
import { dirname, normalize } from 'node:path'
import { renderCommand } from './args.ts'
import type { Command, RunOptions, RunResult, StartedProgram } from './command.ts'
import { HostError } from './errors.ts'
import type { Files } from './files.ts'
import type { Host } from './host.ts'
import type { Lines, Place } from './lines.ts'
import type { Lock, LockOptions } from './lock.ts'
import { assertOnce, type FileText, type Replaced } from './replace-many.ts'
import { readStat } from './proc/process.ts'
import { assertSignalable } from './signal.ts'
import type { FileStatus, ReplaceOptions } from './status.ts'

export { renderFakeProcess, type FakeProcess } from './fake-process.ts'
export { createFakeUnshare } from './fake-unshare.ts'

/** What a fake program does: gets its arguments and input, may change the fake's files, and answers. */
export type FakeProgram = (call: {
  readonly args: readonly string[]
  readonly input: string
  readonly host: FakeHost
}) => Partial<RunResult> | Promise<Partial<RunResult>>

export interface FakeHostOptions {
  /** Text files by absolute path; their folders come along. */
  readonly files?: Readonly<Record<string, string>>
  /** Symbolic links by absolute path, and where each leads; they are not followed. Their folders come along. */
  readonly links?: Readonly<Record<string, string>>
  /** Programs by absolute path. One that is not here is not found. */
  readonly programs?: Readonly<Record<string, FakeProgram>>
  /** What files of the kernel's answer by absolute path; undefined where the question makes no sense. */
  readonly answers?: Readonly<Record<string, (question: string) => string | undefined>>
  /** What a signal to a process does. Default: SIGKILL and SIGTERM take the process out of `/proc`, others do nothing. */
  readonly onSignal?: (call: { readonly pid: number; readonly signal: NodeJS.Signals; readonly host: FakeHost }) => void
  /** Default true: a fake may be told to change the machine, nothing happens but what its programs do. */
  readonly live?: boolean
}

/** A `Host` in memory for unit tests of code that uses one. It passes the same conformance suite as the real one. */
export interface FakeHost extends Host {
  /** Every command run or started, oldest first. */
  readonly commands: readonly Command[]
  /** Every signal that was sent, oldest first. */
  readonly signals: readonly { readonly pid: number; readonly signal: NodeJS.Signals }[]
  /** Takes a process out of `/proc`, as its end does. */
  endProcess(pid: number): void
  /** Appends to a file that is there, as another process does: it stays the same file. */
  append(path: string, text: string): void
}

interface Entry {
  readonly status: FileStatus
  readonly text: string
  /** Another one for each file that is made. */
  readonly inode: string
}

/**
 * Creates a host in memory. It proves nothing about a machine: use it for the logic of a caller, and the real host
 * below a folder for everything else.
 */
export function createFakeHost(options: FakeHostOptions = {}): FakeHost {
  const entries = new Map<string, Entry>([['/', folder()]])
  const commands: Command[] = []
  const signals: FakeHost['signals'][number][] = []
  const programs = options.programs ?? {}
  const live = options.live ?? true
  for (const [path, text] of Object.entries(options.files ?? {})) plant(entries, path, text)
  for (const [path, target] of Object.entries(options.links ?? {})) plantLink(entries, path, target)
  const host: FakeHost = {
    root: '/',
    live,
    commands,
    signals,
    ...fakeFiles(entries),
    ask: async (path, question) => answerOf(options.answers ?? {}, path, question),
    append: (path, text) => {
      const before = entries.get(located(path))
      if (before?.status.kind !== 'file') refuse('append to', path, 'ENOENT')
      entries.set(located(path), { ...file(before.text + text, {}, before.status), inode: before.inode })
    },
    endProcess: (pid) => {
      for (const path of entries.keys()) {
        if (path === `/proc/${pid}` || path.startsWith(`/proc/${pid}/`)) entries.delete(path)
      }
    },
    signal: async ({ pid, started }, signal) => {
      assertSignalable(pid)
      if (!live) throw new HostError('HOST_NOT_LIVE', { operation: `send ${signal} to the process ${pid}` })
      const found = await readStat(host, pid)
      if (found?.alive !== true || found.started !== started) return false
      signals.push({ pid, signal })
      if (options.onSignal !== undefined) options.onSignal({ pid, signal, host })
      else if (signal === 'SIGKILL' || signal === 'SIGTERM') host.endProcess(pid)
      return true
    },
    lock: fakeLocks(entries),
    program: (name) => Object.keys(programs).find((path) => path.endsWith(`/${name}`)),
    run: async (command, run) => {
      commands.push(command)
      return runFake(command, run, { live, programs, host })
    },
    start: async (command): Promise<StartedProgram> => {
      commands.push(command)
      lookUp(command, programs)
      return { pid: commands.length, exited: new Promise(() => {}), forget: () => {} }
    },
  }
  return Object.freeze(host)
}

function folder(options: ReplaceOptions = {}): Entry {
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

function plant(entries: Map<string, Entry>, path: string, text: string): void {
  plantFolders(entries, dirname(located(path)))
  entries.set(located(path), file(text, { mode: 0o644 }))
}

function plantLink(entries: Map<string, Entry>, path: string, target: string): void {
  plantFolders(entries, dirname(located(path)))
  const status = { kind: 'link', mode: 0o777, uid: 0, gid: 0, size: Buffer.byteLength(target) } as const
  entries.set(located(path), { text: target, status, inode: randomUUID() })
}

function plantFolders(entries: Map<string, Entry>, path: string): void {
  if (entries.has(path)) return
  plantFolders(entries, dirname(path))
  entries.set(path, folder())
}

function located(path: string): string {
  if (path.startsWith('/') && !path.includes('\0')) return normalize(path)
  const detail = 'paths are absolute and have no NUL'
  throw new HostError('HOST_PATH_OUTSIDE_ROOT', { operation: 'use the path', path, detail })
}

function refuse(operation: string, path: string, detail: string): never {
  throw new HostError(operation === 'read' ? 'HOST_READ_FAILED' : 'HOST_WRITE_FAILED', { operation, path, detail })
}

function answerOf(answers: NonNullable<FakeHostOptions['answers']>, path: string, question: string) {
  const answer = answers[located(path)]
  return answer === undefined ? undefined : (answer(question) ?? refuse('read', path, 'EINVAL'))
}

function linesOf(path: string, entry: Entry | undefined, after?: Place | 'end'): Lines | undefined {
  if (entry === undefined) return undefined
  if (entry.status.kind === 'folder') refuse('read', path, 'EISDIR')
  const bytes = Buffer.from(entry.text)
  const file = `0:${entry.inode}`
  if (after === 'end') return { lines: [], place: { file, offset: bytes.length }, anew: false }
  const anew = after !== undefined && (after.file !== file || after.offset > bytes.length)
  const rest = bytes.subarray(after === undefined || anew ? 0 : after.offset)
  const end = rest.lastIndexOf('\n') + 1
  const lines = end === 0 ? [] : rest.toString('utf8', 0, end - 1).split('\n')
  return { lines, place: { file, offset: bytes.length - rest.length + end }, anew }
}

function fakeFiles(entries: Map<string, Entry>): Omit<Files, 'ask'> {
  return {
    path: located,
    read: async (name, options = {}) => {
      const entry = entries.get(located(name))
      if (entry?.status.kind === 'folder') refuse('read', name, 'EISDIR')
      if (entry === undefined || entry.text.length <= (options.maxBytes ?? Infinity)) return entry?.text
      throw new HostError('HOST_FILE_TOO_LARGE', { operation: 'read', path: name })
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
    refuse('make the folder', path, `a ${before.status.kind} stands there`)
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

function lookUp(command: Command, programs: Readonly<Record<string, FakeProgram>>): FakeProgram {
  if (!command[0].startsWith('/')) {
    throw new TypeError(`A program is given by its absolute path, not ${JSON.stringify(command[0])}`)
  }
  const program = programs[command[0]]
  if (program !== undefined) return program
  throw new HostError('HOST_PROGRAM_NOT_FOUND', { operation: `run ${command[0]}`, command: renderCommand(command) })
}

interface FakeRun {
  readonly live: boolean
  readonly programs: Readonly<Record<string, FakeProgram>>
  readonly host: FakeHost
}

async function runFake(command: Command, options: RunOptions, { live, programs, host }: FakeRun): Promise<RunResult> {
  const facts = { operation: `run ${command[0]}`, command: renderCommand(command, options.secrets) }
  const program = lookUp(command, programs)
  if (options.touches === 'machine' && !live) throw new HostError('HOST_NOT_LIVE', facts)
  if (options.signal?.aborted === true) throw new HostError('HOST_ABORTED', facts)
  const answer = await program({ args: command.slice(1), input: options.input ?? '', host })
  const result = { exitCode: 0, stdout: '', stderr: '', ...answer }
  if ((options.accept ?? [0]).includes(result.exitCode)) return result
  throw new HostError('HOST_PROGRAM_FAILED', { ...facts, exitCode: result.exitCode, stderr: result.stderr })
}

function fakeLocks(entries: Map<string, Entry>): Host['lock'] {
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

/** The folder of a visible lock. One of another program is taken for one that is in use, however old it is. */
function takeFolder(entries: Map<string, Entry>, path: string): boolean {
  const found = entries.get(path)
  const refused = found === undefined ? !entries.has(dirname(path)) : found.status.kind !== 'folder'
  if (refused)
    throw new HostError('HOST_LOCK_FAILED', { operation: 'lock', path, detail: 'no folder can be made there' })
  if (found !== undefined && (found.status.mode & 0o1000) === 0) return false
  entries.set(path, folder({ mode: 0o1700 }))
  return true
}

import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { HostError, writeFailed } from './errors.ts'
import { assertOnce, type FileText, type Replaced } from './file-text.ts'
import { temporaryBeside, type Relabel } from './replace.ts'
import { sameMetadata, statusFrom, wantedMetadata, type Metadata } from './status.ts'

/** The state of one file. */
interface Work {
  readonly file: FileText
  /** Its location on the machine. */
  readonly path: string
  changed: boolean
  error?: HostError
  /** Set while its temporary file exists. */
  temporary?: string
  descriptor?: number
  /** Whether an existing file is replaced, whose SELinux context is kept. */
  replaces: boolean
  /** Folders with changed entries. */
  readonly folders: string[]
}

/** Files per chunk. At most two chunks of descriptors are open at a time, and other work runs between chunks. */
const atOnce = 32

const sync = promisify(fsync)

/**
 * Replaces many files, each atomically. Writes all files before it renames any: while the first fsync waits, the file system already writes
 * much of the other files.
 */
export async function replaceMany(
  files: readonly FileText[],
  locate: (path: string) => Promise<string>,
  relabel?: Relabel,
): Promise<readonly Replaced[]> {
  assertOnce(files)
  const works: Work[] = []
  let onTheirWay = Promise.resolve()
  for (const some of chunksOf(files, atOnce)) {
    const begun = await Promise.all(some.map((file) => begin(file, locate)))
    for (const work of begun) attempt(work, () => writeTemporary(work))
    // The disk writes this chunk while the next one is prepared.
    const before = onTheirWay
    onTheirWay = syncAll(begun)
    await before
    works.push(...begun)
  }
  await onTheirWay
  await relabelAll(works, relabel)
  for (const some of chunksOf(works, atOnce)) {
    for (const work of some) attempt(work, () => rename(work))
    await new Promise((next) => setImmediate(next))
  }
  await syncFolders(works)
  return works.map(({ file: { path }, changed, error }) => ({
    path,
    changed,
    ...(error === undefined ? {} : { error }),
  }))
}

async function begin(file: FileText, locate: (path: string) => Promise<string>): Promise<Work> {
  const work: Work = { file, path: file.path, changed: false, replaces: false, folders: [] }
  try {
    return { ...work, path: await locate(file.path) }
  } catch (error) {
    return { ...work, error: failed(file.path, error) }
  }
}

/** Runs one step for one file, unless an earlier step has failed. */
function attempt(work: Work, step: () => void): void {
  if (work.error !== undefined) return
  try {
    step()
  } catch (error) {
    fail(work, error)
  }
}

async function syncAll(works: readonly Work[]): Promise<void> {
  await Promise.all(works.map((work) => attemptSync(work, work.descriptor)))
  for (const work of works) closeQuietly(work)
}

async function attemptSync(work: Work, descriptor: number | undefined): Promise<void> {
  if (descriptor === undefined) return
  try {
    await sync(descriptor)
  } catch (error) {
    fail(work, error)
  }
}

function fail(work: Work, error: unknown): void {
  work.error ??= failed(work.file.path, error)
  closeQuietly(work)
  if (work.temporary !== undefined) rmSync(work.temporary, { force: true })
  delete work.temporary
}

function failed(path: string, error: unknown): HostError {
  return error instanceof HostError ? error : writeFailed('replace', path, error)
}

function closeQuietly(work: Work): void {
  if (work.descriptor !== undefined) closeSync(work.descriptor)
  delete work.descriptor
}

function writeTemporary(work: Work): void {
  const { path, file } = work
  const stat = lstatSync(path, { throwIfNoEntry: false })
  const before = stat === undefined ? undefined : statusFrom(stat)
  const kept = before?.kind === 'file' ? before : undefined
  const wanted = wantedMetadata(kept, file)
  const bytes = Buffer.from(file.text)
  if (kept !== undefined && sameMetadata(kept, wanted) && kept.size === bytes.length) {
    if (readFileSync(path).equals(bytes)) return
  }
  if (file.makeFolder === true && before === undefined) makeFolder(work)
  const temporary = temporaryBeside(path)
  work.descriptor = openSync(temporary, 'wx', 0o600)
  work.temporary = temporary
  work.replaces = kept !== undefined
  for (let written = 0; written < bytes.length;) written += writeSync(work.descriptor, bytes, written)
  giveMetadata(work.descriptor, wanted)
}

function makeFolder(work: Work): void {
  const folder = dirname(work.path)
  const first = mkdirSync(folder, { recursive: true, mode: 0o755 })
  if (first === undefined) return
  // mkdir applies the umask to its mode.
  chmodSync(folder, 0o755)
  // The parent of every new folder has a changed entry.
  for (let made = folder; made.length >= first.length; made = dirname(made)) work.folders.push(dirname(made))
}

function giveMetadata(descriptor: number, { mode, uid, gid }: Metadata): void {
  if (uid !== undefined || gid !== undefined) {
    const stat = fstatSync(descriptor)
    fchownSync(descriptor, uid ?? stat.uid, gid ?? stat.gid)
  }
  // After chown, which clears set-id bits.
  fchmodSync(descriptor, mode)
}

/** A context that cannot be set fails only its own file: if the batch fails, each file is relabelled on its own. */
async function relabelAll(works: readonly Work[], relabel: Relabel | undefined): Promise<void> {
  const pairs = works.flatMap((work) =>
    work.temporary === undefined || !work.replaces ? [] : [{ work, from: work.path, to: work.temporary }],
  )
  if (relabel === undefined || pairs.length === 0) return
  try {
    await relabel(pairs)
  } catch {
    for (const pair of pairs) await relabel([pair]).catch((error: unknown) => fail(pair.work, error))
  }
}

function rename(work: Work): void {
  if (work.temporary === undefined) return
  renameSync(work.temporary, work.path)
  delete work.temporary
  work.changed = true
  work.folders.push(dirname(work.path))
}

/** Fsyncs each folder once, parents first: an entry is lost after a crash if its folder is not on disk. */
async function syncFolders(works: readonly Work[]): Promise<void> {
  const folders = new Map<string, Work[]>()
  for (const work of works) {
    for (const folder of work.folders) {
      const those = folders.get(folder)
      if (those === undefined) folders.set(folder, [work])
      else those.push(work)
    }
  }
  const sorted = [...folders].toSorted(([one], [other]) => one.length - other.length)
  for (const some of chunksOf(sorted, atOnce)) {
    await Promise.all(
      some.map(async ([folder, those]) => {
        try {
          await syncFolder(folder)
        } catch (error) {
          for (const work of those) work.error ??= failed(work.file.path, error)
        }
      }),
    )
  }
}

async function syncFolder(path: string): Promise<void> {
  const descriptor = openSync(path, 'r')
  try {
    await sync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function* chunksOf<Item>(items: readonly Item[], size: number): Generator<readonly Item[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size)
}

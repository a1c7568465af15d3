import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { errno, HostError, readFailed } from './errors.ts'

/** A position in a growing file. Store it, as JSON, between two calls. */
export interface Place {
  /** Device and inode of the file. They do not change when it is renamed. */
  readonly file: string
  /** The bytes before this position. */
  readonly offset: number
}

/** The lines that were appended to a file. */
export interface Lines {
  /** The complete lines, without line feeds. Bytes that are not UTF-8 become replacement characters. */
  readonly lines: readonly string[]
  /** The position after the last line. */
  readonly place: Place
  /** Whether the file was read from the beginning, because it is another file or is shorter than before. */
  readonly restarted: boolean
}

const chunk = 1024 * 1024

/** The kernel returns at most one page of most of its tables for each read. */
const piece = 64 * 1024

/** Reads a file line by line: `Files.readEachLine`. */
export async function readEachLineOf(path: string, visit: (line: string) => boolean): Promise<boolean> {
  const file = await openToRead(path)
  if (file === undefined) return false
  try {
    const buffer = Buffer.alloc(piece)
    let rest = Buffer.alloc(0)
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, piece, null)
      const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
      const end = bytesRead === 0 ? bytes.length : bytes.lastIndexOf('\n') + 1
      if (!visitAll(bytes.toString('utf8', 0, end), visit) || bytesRead === 0) return true
      rest = bytes.subarray(end)
      if (rest.length > chunk) throw lineTooLong(path)
    }
  } catch (error) {
    throw error instanceof HostError ? error : readFailed(path, error)
  } finally {
    await file.close()
  }
}

/** Visits the lines of a text. Returns false when a visit does. */
function visitAll(text: string, visit: (line: string) => boolean): boolean {
  if (text === '') return true
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n').every((line) => visit(line))
}

async function openToRead(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return undefined
    throw readFailed(path, error)
  }
}

function lineTooLong(path: string): HostError {
  const detail = `a line is longer than the limit of ${chunk} bytes`
  return new HostError('HOST_FILE_TOO_LARGE', { operation: 'read', path, detail })
}

/** Reads the lines after a position: `Files.readLines`. */
export async function readLinesOf(path: string, after?: Place | 'end'): Promise<Lines | undefined> {
  const file = await openToRead(path)
  if (file === undefined) return undefined
  try {
    const stat = await file.stat()
    const name = `${stat.dev}:${stat.ino}`
    if (after === 'end') return { lines: [], place: { file: name, offset: stat.size }, restarted: false }
    const restarted = after !== undefined && (after.file !== name || after.offset > stat.size)
    const offset = after === undefined || restarted ? 0 : after.offset
    const { buffer, bytesRead } = await file.read(Buffer.alloc(chunk), 0, chunk, offset)
    const end = buffer.subarray(0, bytesRead).lastIndexOf('\n') + 1
    if (end === 0 && bytesRead === chunk) throw lineTooLong(path)
    const lines = end === 0 ? [] : buffer.toString('utf8', 0, end - 1).split('\n')
    return { lines, place: { file: name, offset: offset + end }, restarted }
  } catch (error) {
    throw error instanceof HostError ? error : readFailed(path, error)
  } finally {
    await file.close()
  }
}

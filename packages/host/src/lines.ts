import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
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

/** Reads the lines after a position: `Files.readLines`. */
export async function readLinesOf(path: string, after?: Place | 'end'): Promise<Lines | undefined> {
  let file
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return undefined
    throw readFailed(path, error)
  }
  try {
    const stat = await file.stat()
    const name = `${stat.dev}:${stat.ino}`
    if (after === 'end') return { lines: [], place: { file: name, offset: stat.size }, restarted: false }
    const restarted = after !== undefined && (after.file !== name || after.offset > stat.size)
    const offset = after === undefined || restarted ? 0 : after.offset
    const { buffer, bytesRead } = await file.read(Buffer.alloc(chunk), 0, chunk, offset)
    const end = buffer.subarray(0, bytesRead).lastIndexOf('\n') + 1
    if (end === 0 && bytesRead === chunk) {
      const detail = `a line is longer than the limit of ${chunk} bytes`
      throw new HostError('HOST_FILE_TOO_LARGE', { operation: 'read', path, detail })
    }
    const lines = end === 0 ? [] : buffer.toString('utf8', 0, end - 1).split('\n')
    return { lines, place: { file: name, offset: offset + end }, restarted }
  } catch (error) {
    throw error instanceof HostError ? error : readFailed(path, error)
  } finally {
    await file.close()
  }
}

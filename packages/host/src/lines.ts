import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { errno, HostError, readFailed } from './errors.ts'

/** How far a file that grows has been read. Keep it, as JSON, between two calls. */
export interface Place {
  /** Which file it is, whatever it is called now: device and inode. */
  readonly file: string
  /** Bytes before it. */
  readonly offset: number
}

/** The lines that were added to a file. */
export interface Lines {
  /** The complete lines, without their line feeds. Bytes that are not UTF-8 are replacement characters. */
  readonly lines: readonly string[]
  /** The place after the last of them. */
  readonly place: Place
  /** Whether the file was read from its beginning because it is another one now, or shorter than before. */
  readonly restarted: boolean
}

const chunk = 1024 * 1024

/** Reads the lines after a place: `Files.readLines`. */
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
      const detail = `a line has more than ${chunk} bytes`
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

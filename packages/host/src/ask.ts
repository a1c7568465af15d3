import { open } from 'node:fs/promises'
import { errno, readFailed } from './errors.ts'

/** An answer of the kernel fits into one page. */
const page = 4096

/** Writes a question to a kernel file and reads the answer from the same open file: `Files.ask`. */
export async function askFile(path: string, question: string): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r+')
    await file.write(question)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(page), 0, page, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return undefined
    throw readFailed(path, error)
  }
}

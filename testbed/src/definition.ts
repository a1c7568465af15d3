import { createHash } from 'node:crypto'
import { glob, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { debianGuests } from '../definition/debian.ts'
import type { GuestDefinition } from '../definition/guest.ts'
import { TestbedError } from './errors.ts'

/** Returns the definition of a release. Default: the first. @throws TestbedError, which names the known releases. */
export function findDefinition(release: string | undefined): GuestDefinition {
  const [first] = debianGuests
  const found = release === undefined ? first : debianGuests.find((guest) => guest.release === release)
  if (found !== undefined) return found
  const known = debianGuests.map((guest) => guest.release).join(', ')
  throw new TestbedError(`Unknown release "${release}"; known releases: ${known}`)
}

/** Reads the inputs of an image beside its definition, by path: `customize` and every file that is copied into the guest. */
export async function readInputs(folder: string): Promise<ReadonlyMap<string, string>> {
  const paths = (await Array.fromAsync(glob(['customize', 'files/**'], { cwd: folder }))).toSorted()
  const inputs = new Map<string, string>()
  for (const path of paths) {
    const { mode, ...entry } = await stat(join(folder, path)).then((status) => ({
      mode: status.mode,
      file: status.isFile(),
    }))
    if (entry.file)
      inputs.set(path, `${(mode & 0o111) === 0 ? '-' : 'x'} ${await readFile(join(folder, path), 'utf8')}`)
  }
  return inputs
}

/** Returns the id of an image. A different content has a different id. Pure. */
export function imageId(definition: GuestDefinition, inputs: ReadonlyMap<string, string>, publicKey: string): string {
  // Memory, processors and the kernel command line are chosen at every start and are not part of the image.
  const { cpus: _cpus, memoryMiB: _memory, kernelArguments: _words, ...built } = definition
  return shortHash([JSON.stringify(built), ...[...inputs].flat(), publicKey.trim()])
}

/** Returns a hash of these texts in this order: 16 hexadecimal digits. */
export function shortHash(texts: readonly string[]): string {
  const hash = createHash('sha256')
  for (const text of texts) hash.update(`${Buffer.byteLength(text)}:${text}`)
  return hash.digest('hex').slice(0, 16)
}

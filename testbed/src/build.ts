import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HostError, type Host } from '@puppy/host'
import { TestbedError } from './errors.ts'
import type { TestbedPaths } from './paths.ts'
import type { Accelerator } from './qemu.ts'

const buildTimeout = 15 * 60_000

/** What every step of a build needs. */
export interface BuildContext {
  /** Holds the testbed's lock during a build. The programs of the build inherit the lock. */
  readonly host: Host
  readonly paths: TestbedPaths
  readonly accelerator: Accelerator
  readonly say: (line: string) => void
  readonly signal?: AbortSignal
}

/** Runs a program that builds one part. Writes its standard error to `log`. @throws TestbedError with the end of that text. */
export async function build(
  { host, signal }: BuildContext,
  words: readonly string[],
  { env = {}, log }: { readonly env?: Readonly<Record<string, string>>; readonly log: string },
): Promise<void> {
  const [program = '', ...args] = words
  const options = { touches: 'files', timeout: buildTimeout, env, ...(signal === undefined ? {} : { signal }) } as const
  try {
    const { stderr } = await host.run([program, ...args], options)
    await writeFile(log, stderr)
  } catch (error) {
    if (!(error instanceof HostError)) throw error
    if (error.code === 'HOST_ABORTED') throw new TestbedError('Stopped building')
    const kept = join(dirname(dirname(log)), 'failed.log')
    await writeFile(kept, `${error.message}\n`)
    throw new TestbedError(`Cannot build the image: ${tail(error.facts.stderr ?? error.message)} (full log: ${kept})`)
  }
}

/** Returns the path of a program. @throws TestbedError when it was removed after `ensureNeeds` ran. */
export function programOf(host: Host, name: string): string {
  const found = host.program(name)
  if (found === undefined) throw new TestbedError(`The program ${name} is not installed`)
  return found
}

/** Returns the end of a long text on one line. */
export function tail(text: string, lines = 3): string {
  return text.replaceAll('\r', '').trim().split('\n').slice(-lines).join(' | ').slice(-600)
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scratchFolder, type Cleanup } from './index.ts'

const checkout = fileURLToPath(new URL('../../../../', import.meta.url))

/** Returns the TypeScript of a package's README as one program: later blocks continue the earlier ones. Empty without a block. */
export function readmeProgram(name: string): string {
  const text = readFileSync(join(checkout, 'packages', name, 'README.md'), 'utf8')
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block).join('\n')
}

/** Creates a folder outside the checkout in which programs find the packages by name, as an application does. */
export function applicationFolder(t: Cleanup): string {
  const folder = scratchFolder(t)
  mkdirSync(join(folder, 'node_modules/@puppy'), { recursive: true })
  for (const name of readdirSync(join(checkout, 'packages')))
    symlinkSync(join(checkout, 'packages', name), join(folder, 'node_modules/@puppy', name))
  symlinkSync(join(checkout, 'node_modules/@types'), join(folder, 'node_modules/@types'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  return folder
}

/** How a program ended, and everything that it printed. */
export interface ReadmeRun {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
}

/**
 * Runs the program of a README in a process of its own, two minutes at most.
 *
 * @param timeout milliseconds
 * @param replace texts of the program and what stands for them in the test, such as a port that is free
 */
export async function runReadme(
  t: Cleanup,
  name: string,
  replace: Readonly<Record<string, string>> = {},
  timeout = 120_000,
): Promise<ReadmeRun> {
  let program = readmeProgram(name)
  for (const [text, other] of Object.entries(replace)) {
    if (!program.includes(text)) throw new Error(`The README of ${name} does not have ${text}`)
    program = program.replaceAll(text, other)
  }
  const script = join(applicationFolder(t), 'readme.ts')
  writeFileSync(script, program)
  for (let attempt = 1; ; attempt += 1) {
    const run = await runOnce(script, timeout)
    // On an emulated machine, Node itself sometimes crashes at its start.
    if (attempt > 1 || !['SIGTRAP', 'SIGSEGV'].includes(run.signal ?? '')) return run
  }
}

async function runOnce(script: string, timeout: number): Promise<ReadmeRun> {
  const child = spawn(process.execPath, ['--no-warnings', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout,
    killSignal: 'SIGKILL',
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await once(child, 'close')
  return { code: child.exitCode, signal: child.signalCode, output }
}

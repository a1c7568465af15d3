import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createTally, type Outcome } from './outcome.ts'

const batch = fileURLToPath(new URL('batch.ts', import.meta.url))
/** The timeout of a process in milliseconds. The longest process takes a minute, or half an hour on an emulated machine. */
const timeoutOf = { native: 20 * 60_000, live: 40 * 60_000 } as const
/** Returns the timeout that tap uses for a process, in seconds. Its default is 30 for each file, which is too short on a slow machine. */
const tapTimeout = (files: number) => String(240 + 30 * files)

/** Runs test files in one process and returns an outcome for each. */
export function runFiles(
  files: readonly string[],
  env: Readonly<Record<string, string>>,
  kind: keyof typeof timeoutOf = 'native',
): Promise<readonly Outcome[]> {
  const started = performance.now()
  const tally = createTally(files)
  const [only = ''] = files
  const command = files.length === 1 ? [only] : [batch, ...files]
  return new Promise((resolve) => {
    let output = ''
    const child = spawn(process.execPath, command, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { TAP_TIMEOUT: tapTimeout(files.length), ...process.env, NODE_NO_WARNINGS: '1', ...env },
      timeout: timeoutOf[kind],
    })
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      tally.write(chunk.toString())
    })
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('close', (code, signal) => {
      const ending = signal ?? (code === 0 ? undefined : `exit code ${code}`)
      const silently = output === '' && ['SIGSEGV', 'SIGILL', 'SIGBUS'].includes(signal ?? '')
      const crashed =
        silently || (signal === 'SIGTRAP' && output.includes('# Check failed: it->second.Size() > offset'))
      output += `# ended with ${ending ?? 'exit code 0'}${ending !== undefined || output !== '' ? '' : ' and no output'}\n`
      const counts = tally.end(ending)
      const timedOut = performance.now() - started > timeoutOf[kind]
      resolve(
        files.map((file) => {
          const { passed = 0, failed = 1, skipped = [], begun = 0, ended = 0 } = counts.get(file) ?? {}
          const own = files.length === 1 ? performance.now() - started : Math.max(0, ended - begun)
          return { file, passed, failed, skipped, seconds: own / 1000, output, crashed, timedOut }
        }),
      )
    })
  })
}

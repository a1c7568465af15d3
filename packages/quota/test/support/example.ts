import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Runs the example in a separate process, as a user would. */
export function runExample(...args: readonly string[]) {
  const script = fileURLToPath(new URL('../../examples/limit-two-users.ts', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', script, ...args], {
    timeout: 60_000,
  })
  return { status, stdout: stdout.toString(), stderr: stderr.toString() }
}

import { execFileSync } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import type { Test } from 'tap'

/** The reason why a test cannot mount file systems here. False when it can. */
export const cannotMount =
  (process.getuid?.() !== 0 && 'it needs root') ||
  (process.env['TESTBED_GUEST'] === undefined && 'it mounts file systems: only in a disposable host')

export const run = (program: string, ...args: readonly string[]) =>
  execFileSync(program, args, { stdio: 'pipe', timeout: 60_000 })

/** Creates a file system in a file and mounts it. Removes it at the end of the test. */
export async function mounted(t: Test, size: string, mkfs: readonly string[], options = 'loop'): Promise<string> {
  const name = `/var/tmp/puppy-quota-${process.pid}-${Math.floor(Math.random() * 1e6)}`
  await mkdir(name)
  run('truncate', '-s', size, `${name}.img`)
  const [program = '', ...args] = mkfs
  run(program, '-q', ...args, `${name}.img`)
  run('mount', '-o', options, `${name}.img`, name)
  t.teardown(async () => {
    run('umount', name)
    await rm(name, { recursive: true })
    await rm(`${name}.img`)
  })
  return name
}

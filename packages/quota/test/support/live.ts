import { spawnSync } from 'node:child_process'

/** The reason why a test that sets limits on the file systems of the machine cannot run here. False when it can. */
export const cannotLimit =
  (process.getuid?.() !== 0 && 'it needs root') ||
  (process.env['TESTBED_GUEST'] === undefined && 'it sets limits on the machine: only in a disposable host')

export const MiB = 1024 * 1024
export const none = { soft: 'none', hard: 'none' } as const

/** Runs a program as a user. Returns its standard error, or an empty string on success. */
export function as(uid: number, ...command: readonly string[]): string {
  const words = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--', ...command]
  const { stderr, status } = spawnSync('setpriv', words, { timeout: 60_000, env: { ...process.env, LC_ALL: 'C' } })
  return status === 0 ? '' : stderr.toString() || `exit code ${status}`
}

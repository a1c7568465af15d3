import { runOptions, type EffectOptions, type Host } from '@puppy/host'
import { findProgram, rootArguments } from '../program.ts'
import type { Slot } from '../slots.ts'

/**
 * Renders tmpfiles.d(5) lines for a home with mode 0700, and copies of the skeleton files in it. Pure.
 *
 * Owners are numbers, so that no name is looked up. An existing copy is not changed.
 */
export function renderTmpfiles({ home, uid, gid }: Slot, skeleton: readonly string[]): string {
  const copies = skeleton.map((name) => `C ${home}/${name} - ${uid} ${gid} - /etc/skel/${name}\n`)
  return `d ${home} 0700 ${uid} ${gid} - -\n${copies.join('')}`
}

/**
 * Runs `systemd-tmpfiles --create` once with these lines. It sets the SELinux context of what it creates, and refuses to follow links of
 * another user. Returns its error messages. The caller must read back the result.
 *
 * Exit codes: 65 for lines that it does not accept, 73 for things that it cannot create. 0 also when a file exists in place of a folder. In
 * each case the other lines are done.
 *
 * @throws AccountError `ACCOUNT_PROGRAM_MISSING`; HostError `HOST_PROGRAM_FAILED`, `HOST_TIMEOUT`, `HOST_ABORTED`.
 */
export async function runTmpfiles(host: Host, input: string, options: EffectOptions): Promise<string> {
  const program = findProgram(host, 'systemd-tmpfiles')
  const run = await host.run(
    [program, '--create', ...rootArguments(host), '-'],
    runOptions('files', options, { input, accept: [0, 65, 73] }),
  )
  return run.stderr.trim().slice(-2000)
}

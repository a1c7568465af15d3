import type { Host } from '@puppy/host'
import type { EffectOptions } from '../change.ts'
import type { Slot } from '../slots.ts'
import { findProgram, rootArguments, runOptions } from '../program.ts'

/**
 * Renders tmpfiles.d(5) lines for a home with mode 0700, and copies of the skeleton's files in it.
 *
 * Owners are numbers, so no name has to be known. A copy that is there already stays as it is.
 */
export function renderTmpfiles({ home, uid, gid }: Slot, skeleton: readonly string[]): string {
  const copies = skeleton.map((name) => `C ${home}/${name} - ${uid} ${gid} - /etc/skel/${name}\n`)
  return `d ${home} 0700 ${uid} ${gid} - -\n${copies.join('')}`
}

/**
 * Runs `systemd-tmpfiles --create` once on these lines. It labels what it makes where SELinux is on, and refuses to
 * walk through somebody else's link. Gives what it complained about; what it did is for the caller to read back.
 *
 * Exit codes: 65 for lines it would not take, 73 for things it could not make, 0 also when a file stands where a folder
 * should be; the other lines were done.
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

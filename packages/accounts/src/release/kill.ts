import { HostError, runOptions, type EffectOptions, type Host } from '@puppy/host'
import type { ProcessStatus } from '@puppy/host/proc'
import { isAbort } from '../abort.ts'
import { findProgram } from '../program.ts'

/** Uids that no user has, and that systemd reserves for no purpose. @see systemd's "Users, Groups, UIDs and GIDs" */
const unused = { first: 65_520, last: 65_533 } as const

/**
 * The program that sends SIGKILL to all processes of uids. Its arguments are its real uid, and the uids.
 *
 * The kernel sends a signal to a process if the real or the effective uid of the sender is the real or the saved uid of that process. So
 * with an effective uid of a tenant this program reaches the tenant, and with its own real and saved uid the tenant does not reach it. The
 * check of both ids prevents a signal to all processes of root.
 */
const killer = `
const [own, ...uids] = process.argv.slice(1).map(Number)
for (const uid of uids) {
  process.seteuid(uid)
  if (process.getuid() !== own || own < 1000 || process.geteuid() !== uid || uid < 1000) process.exit(2)
  try { process.kill(-1, 'SIGKILL') } catch {}
  process.seteuid(0)
}`

/**
 * Sends SIGKILL to every process of these uids: for each uid in one system call, so that a process that forks as fast as it can does not
 * escape. No process of another uid is reached, and no process of these uids can stop, kill or trace the program that sends the signal.
 *
 * The program has a uid and a gid that no user has, and the kernel marks it as not dumpable because it changes its uid. It inherits no lock.
 *
 * @param processes the processes of the machine, which show whether an unused uid has processes
 * @throws HostError `HOST_ABORTED`, and when the program cannot be started
 * @see kill(2), credentials(7), setpriv(1)
 */
export async function killUids(
  machine: Host,
  uids: readonly number[],
  processes: readonly ProcessStatus[],
  options: EffectOptions,
): Promise<void> {
  const taken = new Set(processes.flatMap((process) => process.uids))
  const own = Array.from({ length: unused.last - unused.first + 1 }, (_, at) => unused.first + at).find(
    (uid) => !taken.has(uid),
  )
  if (own === undefined || uids.length === 0) return
  const setpriv = [findProgram(machine, 'setpriv'), `--ruid=${own}`, `--rgid=${own}`, '--clear-groups', '--'] as const
  const command = [...setpriv, process.execPath, '--eval', killer, '--', `${own}`, ...uids.map(String)] as const
  try {
    await machine.run([...command], runOptions('machine', options, { daemon: true }))
  } catch (error) {
    // Another call may have chosen the same uid and killed this program. The caller reads again which processes are left.
    if (!(error instanceof HostError) || isAbort(error)) throw error
    if (error.code !== 'HOST_TIMEOUT' && !(error.code === 'HOST_PROGRAM_FAILED' && error.facts.exitCode === undefined))
      throw error
  }
}

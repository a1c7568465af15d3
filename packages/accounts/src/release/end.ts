import { HostError, runOptions, runsSystemd, waitFor, type EffectOptions, type Host } from '@puppy/host'
import { processesOf, readProcesses, type ProcessStatus } from '@puppy/host/proc'
import { findProgram } from '../program.ts'
import { assertTenantUid } from '../slots.ts'

/** The result of ending the processes of some uids. */
export interface Ended {
  /** The number of processes that ended, by real uid. */
  readonly ended: ReadonlyMap<number, number>
  /** The processes that still run. */
  readonly left: readonly ProcessStatus[]
}

export interface EndOptions extends EffectOptions {
  /** Milliseconds to wait for all processes to end. Default 10,000. */
  readonly endTimeout?: number
}

/**
 * Ends every process of these uids with SIGKILL, until `/proc` shows none or the timeout is over. Live hosts only.
 *
 * For each uid, `setpriv` changes to that uid and `kill -KILL -1` reaches every process that it may signal, in one system call. So a
 * process that forks as fast as it can does not escape, and no process of another user can be killed. With systemd the slice of the user is
 * also stopped, with its user manager and sessions.
 *
 * @throws RangeError for a uid that cannot belong to a tenant; HostError.
 * @see kill(2), setpriv(1)
 */
export async function endProcesses(machine: Host, uids: readonly number[], options: EndOptions = {}): Promise<Ended> {
  uids.forEach(assertTenantUid)
  const all = new Set(uids)
  const seen = new Map<number, ProcessStatus>()
  let left = processesOf(await readProcesses(machine), all)
  // Each uid is killed at least once, even without a visible process: a process that is hidden in /proc still receives signals of kill(2).
  await Promise.all(uids.map((uid) => killUid(machine, uid, options)))
  await stopSlices(machine, uids, options)
  const endAgain = async () => {
    for (const process of left) seen.set(process.pid, process)
    left = processesOf(await readProcesses(machine), all)
    if (left.length > 0) await killAll(machine, left, all, options)
    return left.length === 0
  }
  await waitFor(endAgain, { ...options, timeout: options.endTimeout ?? 10_000, longestPause: 200 })
  await forgetFailures(machine, uids, options)
  return { ended: countEnded(seen, left), left }
}

function countEnded(
  seen: ReadonlyMap<number, ProcessStatus>,
  left: readonly ProcessStatus[],
): ReadonlyMap<number, number> {
  const still = new Set(left.map(({ pid }) => pid))
  const gone = [...seen.values()].filter(({ pid }) => !still.has(pid))
  return new Map([...Map.groupBy(gone, ({ uid }) => uid)].map(([uid, processes]) => [uid, processes.length]))
}

async function killAll(
  machine: Host,
  processes: readonly ProcessStatus[],
  all: ReadonlySet<number>,
  options: EffectOptions,
) {
  const uids = new Set(processes.flatMap((process) => process.uids).filter((uid) => all.has(uid)))
  await Promise.all([...uids].map((uid) => killUid(machine, uid, options)))
}

/**
 * `--` is needed by procps 4.0.4, which fails on `-KILL -1`. Exit code 1: no process was signalled. The tenant can kill this program
 * before it acts, and then the caller runs it again. `daemon` prevents it from inheriting our locks: a process with the uid of a tenant must
 * not have our descriptors.
 */
async function killUid(machine: Host, uid: number, options: EffectOptions): Promise<void> {
  const command = [...becoming(machine, uid), findProgram(machine, 'kill'), '-KILL', '--', '-1'] as const
  try {
    await machine.run([...command], runOptions('machine', options, { accept: [0, 1], daemon: true }))
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== 'HOST_PROGRAM_FAILED' || error.facts.exitCode !== undefined)
      throw error
  }
}

/** Returns the arguments before a command that make it run as a tenant, without the groups of root. */
export function becoming(machine: Host, uid: number): readonly [string, ...string[]] {
  assertTenantUid(uid)
  return [findProgram(machine, 'setpriv'), '--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', '--']
}

/** Exit code 5: some slices are not loaded, which is the usual case. */
async function stopSlices(machine: Host, uids: readonly number[], options: EffectOptions): Promise<void> {
  const systemctl = (await runsSystemd(machine)) ? machine.program('systemctl') : undefined
  if (systemctl === undefined || uids.length === 0) return
  const slices = uids.map((uid) => `user-${uid}.slice`)
  await machine.run([systemctl, 'stop', ...slices], runOptions('machine', options, { accept: [0, 1, 5] }))
}

/** A killed user manager stays in `systemctl --failed` until it is reset. Exit code 1: none of the units exists. */
async function forgetFailures(machine: Host, uids: readonly number[], options: EffectOptions): Promise<void> {
  const systemctl = (await runsSystemd(machine)) ? machine.program('systemctl') : undefined
  if (systemctl === undefined || uids.length === 0) return
  const units = uids.map((uid) => `user@${uid}.service`)
  await machine.run([systemctl, 'reset-failed', ...units], runOptions('machine', options, { accept: [0, 1, 4, 5] }))
}

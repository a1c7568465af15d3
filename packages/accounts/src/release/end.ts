import { HostError, runOptions, runsSystemd, waitFor, type EffectOptions, type Host } from '@puppy/host'
import { processesOf, readProcesses, type ProcessStatus } from '@puppy/host/proc'
import { findProgram } from '../program.ts'
import { assertTenantUid } from '../slots.ts'

/** What became of the processes of some uids. */
export interface Ended {
  /** How many processes ended, by real uid. */
  readonly ended: ReadonlyMap<number, number>
  /** The processes that still run. */
  readonly left: readonly ProcessStatus[]
}

export interface EndOptions extends EffectOptions {
  /** Milliseconds to wait for all processes to end. Default 10,000. */
  readonly endTimeout?: number
}

/**
 * Ends every process of these uids with SIGKILL, until `/proc` shows none or the time is over. Live only.
 *
 * Each uid kills itself: `setpriv` changes to the uid and `kill -KILL -1` reaches every process that it may signal, in one system call.
 * So a process that forks as fast as it can does not escape, and no process of another user can be hit. Under systemd the user's slice is
 * stopped too, and with it the user's manager and sessions.
 *
 * @throws RangeError for a uid that cannot be a tenant's; HostError.
 * @see kill(2), setpriv(1)
 */
export async function endProcesses(machine: Host, uids: readonly number[], options: EndOptions = {}): Promise<Ended> {
  uids.forEach(assertTenantUid)
  const all = new Set(uids)
  const seen = new Map<number, ProcessStatus>()
  let left = processesOf(await readProcesses(machine), all)
  // Every uid once, whether a process of it was seen or not: what hides from /proc does not hide from kill(2).
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
 * The `--` is for procps 4.0.4, which fails on `-KILL -1`. Exit code 1: no process to signal. The tenant may kill this program before it
 * acts; the caller runs it again. `daemon` keeps our locks from it: a process with the tenant's uid must not inherit a descriptor of ours.
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

/** Returns the words before a command that make it run as a tenant, without root's groups. */
export function becoming(machine: Host, uid: number): readonly [string, ...string[]] {
  assertTenantUid(uid)
  return [findProgram(machine, 'setpriv'), '--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', '--']
}

/** Exit code 5: some of them are not loaded, which is the usual case. */
async function stopSlices(machine: Host, uids: readonly number[], options: EffectOptions): Promise<void> {
  const systemctl = (await runsSystemd(machine)) ? machine.program('systemctl') : undefined
  if (systemctl === undefined || uids.length === 0) return
  const slices = uids.map((uid) => `user-${uid}.slice`)
  await machine.run([systemctl, 'stop', ...slices], runOptions('machine', options, { accept: [0, 1, 5] }))
}

/** A user manager that was killed stays in `systemctl --failed`. Exit code 1: none of them is there. */
async function forgetFailures(machine: Host, uids: readonly number[], options: EffectOptions): Promise<void> {
  const systemctl = (await runsSystemd(machine)) ? machine.program('systemctl') : undefined
  if (systemctl === undefined || uids.length === 0) return
  const units = uids.map((uid) => `user@${uid}.service`)
  await machine.run([systemctl, 'reset-failed', ...units], runOptions('machine', options, { accept: [0, 1, 4, 5] }))
}

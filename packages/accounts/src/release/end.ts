import { HostError, runOptions, runsSystemd, waitFor, type EffectOptions, type Host } from '@puppy/host'
import { readProcesses, readStat, readStatus, type ProcessStatus } from '@puppy/host/proc'
import { isAbort } from '../abort.ts'
import { assertTenantUid } from '../slots.ts'
import { killUids } from './kill.ts'

/** The result of ending the processes of some uids. */
export interface Ended {
  /** The number of processes that ended, by the uid that they were found for. */
  readonly ended: ReadonlyMap<number, number>
  /** The processes that still run. */
  readonly left: readonly ProcessStatus[]
}

/** Milliseconds for one program. It prevents a tenant that delays one program from delaying all other tenants. Node starts slowly on a busy machine. */
const stepTimeout = 15_000

export interface EndOptions extends EffectOptions {
  /** Milliseconds to wait for all processes to end. Default 10,000. */
  readonly endTimeout?: number
  /**
   * Ends whole groups of processes first, such as the cgroup of each uid. It also reaches processes that gained the rights of another user.
   * It must reject only when the signal is aborted: the processes that are left decide.
   */
  readonly endGroups?: (uids: readonly number[], options: EffectOptions) => Promise<void>
}

/**
 * Ends every process of these uids with SIGKILL, until `/proc` shows none or the timeout is over. Live hosts only.
 *
 * A process belongs to a uid if one of its four uids is that uid, or one of its four gids is the gid with the same number. Each uid is
 * killed at least once, even without a visible process. With systemd the slice of the user is also stopped, with its user manager and
 * sessions. No uid delays or fails the others, and the call takes at most `endTimeout` and a few seconds.
 *
 * @throws RangeError for a uid that cannot belong to a tenant; AccountError `ACCOUNT_PROGRAM_MISSING`; HostError.
 * @see kill(2), cgroups(7)
 */
export async function endProcesses(machine: Host, uids: readonly number[], options: EndOptions = {}): Promise<Ended> {
  uids.forEach(assertTenantUid)
  if (uids.length === 0) return { ended: new Map(), left: [] }
  const { endTimeout = 10_000, endGroups } = options
  const step = { ...options, timeout: Math.min(options.timeout ?? stepTimeout, stepTimeout) }
  const all = new Set(uids)
  const seen = new Map<number, ProcessStatus>()
  const processes = await readProcesses(machine)
  let left = belonging(processes, all)
  await endGroups?.(uids, step)
  await killUids(machine, uids, processes, step)
  await stopSlices(machine, uids, step)
  const endAgain = async () => {
    for (const process of left) seen.set(process.pid, process)
    const now = await readProcesses(machine)
    left = belonging(now, all)
    if (left.length === 0) return true
    // First one by one, because this starts no program. What forks meanwhile is left for the second step.
    await killEach(machine, left, all)
    await killUids(machine, [...new Set(left.flatMap((process) => idsOf(process, all)))], now, step)
    left = belonging(await readProcesses(machine), all)
    return left.length === 0
  }
  await waitFor(endAgain, { ...options, timeout: endTimeout, longestPause: 200 })
  await forgetFailures(machine, uids, step)
  return { ended: countEnded(seen, left, all), left }
}

/** Returns the live processes that belong to one of these uids, or to a group with the same number. Pure. */
export function belonging(processes: readonly ProcessStatus[], uids: ReadonlySet<number>): readonly ProcessStatus[] {
  return processes.filter((process) => process.alive && idsOf(process, uids).length > 0)
}

/** Returns those of these uids to which a process belongs. Pure. */
export function idsOf(
  { uids, gids }: Pick<ProcessStatus, 'uids' | 'gids'>,
  all: ReadonlySet<number>,
): readonly number[] {
  return [...uids, ...gids].filter((id) => all.has(id))
}

function countEnded(
  seen: ReadonlyMap<number, ProcessStatus>,
  left: readonly ProcessStatus[],
  all: ReadonlySet<number>,
): ReadonlyMap<number, number> {
  const still = new Set(left.map(({ pid }) => pid))
  const gone = [...seen.values()].filter(({ pid }) => !still.has(pid))
  return new Map([...Map.groupBy(gone, (process) => idsOf(process, all)[0]!)].map(([uid, list]) => [uid, list.length]))
}

/**
 * Kills processes one by one. This reaches those that have an id of a tenant only as effective uid or as gid. The start time is read before
 * the ids, so that a signal never reaches another process that received the pid meanwhile.
 */
async function killEach(machine: Host, processes: readonly ProcessStatus[], all: ReadonlySet<number>): Promise<void> {
  for (const { pid } of processes.filter((process) => process.pid > 1)) {
    const found = await readStat(machine, pid)
    const process = found === undefined ? undefined : await readStatus(machine, pid)
    if (found === undefined || process === undefined || idsOf(process, all).length === 0) continue
    await machine.signal({ pid, started: found.started }, 'SIGKILL')
  }
}

/** Exit code 5: some slices are not loaded, which is the usual case. */
async function stopSlices(machine: Host, uids: readonly number[], options: EffectOptions): Promise<void> {
  await runSystemctl(machine, ['stop', ...uids.map((uid) => `user-${uid}.slice`)], options)
}

/** A killed user manager stays in `systemctl --failed` until it is reset. Exit code 1: none of the units exists. */
async function forgetFailures(machine: Host, uids: readonly number[], options: EffectOptions): Promise<void> {
  await runSystemctl(machine, ['reset-failed', ...uids.map((uid) => `user@${uid}.service`)], options)
}

/** A tenant can delay the end of its own slice, and systemd may be busy. An error is ignored: only the processes that are left decide. */
async function runSystemctl(machine: Host, words: readonly string[], options: EffectOptions): Promise<void> {
  const systemctl = (await runsSystemd(machine)) ? machine.program('systemctl') : undefined
  if (systemctl === undefined) return
  const accept = [0, 1, 4, 5]
  try {
    await machine.run([systemctl, ...words], runOptions('machine', options, { accept }))
  } catch (error) {
    if (isAbort(error) || !(error instanceof HostError)) throw error
  }
}

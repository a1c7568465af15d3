import { setTimeout as sleep } from 'node:timers/promises'
import type { EffectOptions, Host } from '@puppy/host'
import { readCgroup } from '@puppy/host/proc'
import { identifyProcess } from '@puppy/host/process'
import { CgroupError } from '../errors.ts'
import { parseFlatKeyed } from '../formats.ts'
import type { Cgroupfs } from './cgroupfs.ts'
import { joinPath, parseCgroupPath, type CgroupPath } from '../path.ts'
import { until } from '../wait.ts'

/** Lists the processes of a group, or of its whole subtree. A group that is removed meanwhile has no processes. */
export function listProcesses(cgroupfs: Cgroupfs, path: CgroupPath, recursive = false): readonly number[] {
  const groups = recursive ? listGroups(cgroupfs, path) : [path]
  return groups.flatMap((group) => parseProcesses(cgroupfs.read(group, 'cgroup.procs') ?? ''))
}

/** Lists a group and all its descendants. Parents come before their children. */
export function listGroups(cgroupfs: Cgroupfs, path: CgroupPath): readonly CgroupPath[] {
  return [
    path,
    ...cgroupfs.children(path).flatMap((name) => (isOurs(name) ? listGroups(cgroupfs, joinPath(path, name)) : [])),
  ]
}

/** Parses process ids, one in each line. Omits 0, which is a process outside our pid namespace. */
export function parseProcesses(text: string): readonly number[] {
  return text.split('\n').flatMap((line) => (/^[1-9]\d{0,9}$/.test(line) ? [Number(line)] : []))
}

/**
 * Moves a process with all its threads into a group.
 *
 * @throws CgroupError `CGROUP_GONE` when the process or group does not exist, `CGROUP_BUSY` for a frozen group (the process would freeze
 *   too) and for a group that enables controllers, `CGROUP_REFUSED`.
 */
export async function addProcess(cgroupfs: Cgroupfs, path: CgroupPath, pid: number): Promise<void> {
  if (!Number.isInteger(pid) || pid < 1) {
    throw new CgroupError('CGROUP_INVALID', {
      operation: 'add the process',
      value: String(pid),
      detail: 'a process id must be a whole number from 1',
    })
  }
  if (stateOf(cgroupfs, path).frozen) {
    const detail = 'the group is frozen, so the process would freeze too; thaw the group first'
    throw new CgroupError('CGROUP_BUSY', {
      operation: 'add a process to',
      target: `/${path}`,
      value: String(pid),
      detail,
    })
  }
  // EINVAL: the process is being created and can be moved a moment later. EBUSY: a process that is ending still exists.
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await cgroupfs.write(path, 'cgroup.procs', String(pid))
    } catch (error) {
      const number = error instanceof CgroupError ? error.facts.errno : undefined
      if (attempt === 5 || (number !== 'EINVAL' && number !== 'EBUSY')) throw error
      await sleep(10 * attempt)
    }
  }
}

/** Moves every process of a group into another group, until none is left. A process that ends meanwhile is not an error. */
export async function moveAll(
  cgroupfs: Cgroupfs,
  from: CgroupPath,
  to: CgroupPath,
  options: EffectOptions = {},
): Promise<number> {
  const moved = new Set<number>()
  const facts = { operation: 'move all processes out of', target: `/${from}` }
  await until(
    async () => {
      const pids = listProcesses(cgroupfs, from)
      for (const pid of pids) {
        try {
          await addProcess(cgroupfs, to, pid)
          moved.add(pid)
        } catch (error) {
          if (!(error instanceof CgroupError && error.facts.errno === 'ESRCH')) throw error
        }
      }
      return pids.length === 0
    },
    facts,
    options,
  )
  return moved.size
}

/** The state of a group with its descendants. */
export interface GroupState {
  readonly populated: boolean
  readonly frozen: boolean
}

/** Reads whether the subtree has processes, and whether it is frozen. */
export function stateOf(cgroupfs: Cgroupfs, path: CgroupPath): GroupState {
  const events = parseFlatKeyed(cgroupfs.read(path, 'cgroup.events') ?? '')
  return { populated: events.get('populated') === 1n, frozen: events.get('frozen') === 1n }
}

/** Freezes or thaws a subtree and waits until the kernel reports it. @throws CgroupError `CGROUP_TIMEOUT`, `CGROUP_GONE` */
export async function setFrozen(
  cgroupfs: Cgroupfs,
  path: CgroupPath,
  frozen: boolean,
  options: EffectOptions = {},
): Promise<void> {
  await cgroupfs.write(path, 'cgroup.freeze', frozen ? '1' : '0')
  const facts = { operation: frozen ? 'freeze' : 'thaw', target: `/${path}` }
  await until(() => stateOf(cgroupfs, path).frozen === frozen || !cgroupfs.exists(path), facts, options)
}

/**
 * Ends every process of a subtree with SIGKILL, and waits until none is left. This includes frozen processes and processes that are being
 * created. Before Linux 5.14 (no `cgroup.kill`), it freezes the subtree, signals each process, and thaws it. Does nothing for a group that
 * does not exist.
 *
 * @throws CgroupError `CGROUP_TIMEOUT` when a process hangs in the kernel.
 */
export async function killAll(
  { host, cgroupfs }: { readonly host: Host; readonly cgroupfs: Cgroupfs },
  path: CgroupPath,
  options: EffectOptions = {},
): Promise<void> {
  if (!cgroupfs.exists(path)) return
  try {
    await cgroupfs.write(path, 'cgroup.kill', '1')
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error
    if (error.code === 'CGROUP_GONE') return
    if (error.facts.errno !== 'ENOENT') throw error
    await signalAll(host, cgroupfs, path, options)
  }
  const detail = 'a process may hang in the kernel; try again later'
  await until(
    () => !stateOf(cgroupfs, path).populated,
    { operation: 'kill all processes of', target: `/${path}`, detail },
    options,
  )
}

async function signalAll(host: Host, cgroupfs: Cgroupfs, path: CgroupPath, options: EffectOptions): Promise<void> {
  await setFrozen(cgroupfs, path, true, options)
  try {
    for (const pid of listProcesses(cgroupfs, path, true)) {
      const found = await identifyProcess(host, pid)
      if (found !== undefined) await host.signal(found, 'SIGKILL')
    }
  } finally {
    await setFrozen(cgroupfs, path, false, options)
  }
}

/** Reads the group of a process. Returns undefined when the process does not exist. */
export async function groupOf(host: Host, pid: number): Promise<string | undefined> {
  return (await readCgroup(host, pid))?.path
}

/** A group of another program may have a name that this package refuses. Such groups are omitted. */
function isOurs(name: string): boolean {
  try {
    return parseCgroupPath(name) !== ''
  } catch {
    return false
  }
}

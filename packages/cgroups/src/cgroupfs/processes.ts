import { setTimeout as sleep } from 'node:timers/promises'
import type { EffectOptions, Host } from '@puppy/host'
import { readCgroup } from '@puppy/host/proc'
import { identifyProcess } from '@puppy/host/process'
import { CgroupError } from '../errors.ts'
import { parseFlatKeyed } from '../formats.ts'
import type { Cgroupfs } from './cgroupfs.ts'
import { joinPath, parseCgroupPath, type CgroupPath } from '../path.ts'
import { until } from '../wait.ts'

/** Lists the processes of a group, or of its whole subtree. A group that is removed meanwhile has none. */
export function listProcesses(cgroupfs: Cgroupfs, path: CgroupPath, recursive = false): readonly number[] {
  const groups = recursive ? listGroups(cgroupfs, path) : [path]
  return groups.flatMap((group) => parseProcesses(cgroupfs.read(group, 'cgroup.procs') ?? ''))
}

/** Lists a group and all groups inside it, outermost first. */
export function listGroups(cgroupfs: Cgroupfs, path: CgroupPath): readonly CgroupPath[] {
  return [
    path,
    ...cgroupfs.children(path).flatMap((name) => (isOurs(name) ? listGroups(cgroupfs, joinPath(path, name)) : [])),
  ]
}

/** Reads process ids, one in a line. A process outside of our pid namespace is 0 and left out. */
export function parseProcesses(text: string): readonly number[] {
  return text.split('\n').flatMap((line) => (/^[1-9]\d{0,9}$/.test(line) ? [Number(line)] : []))
}

/**
 * Moves a process with all its threads into a group.
 *
 * @throws CgroupError `CGROUP_GONE` when there is no such process or group, `CGROUP_BUSY` for a frozen group, where the process would
 *   freeze, and for one that enables controllers, `CGROUP_REFUSED`.
 */
export async function addProcess(cgroupfs: Cgroupfs, path: CgroupPath, pid: number): Promise<void> {
  if (!Number.isInteger(pid) || pid < 1) {
    throw new CgroupError('CGROUP_INVALID', {
      operation: 'add the process',
      value: String(pid),
      detail: 'a process id is from 1',
    })
  }
  if (stateOf(cgroupfs, path).frozen) {
    const detail = 'the group is frozen, and the process would freeze; thaw it first'
    throw new CgroupError('CGROUP_BUSY', {
      operation: 'add a process to',
      target: `/${path}`,
      value: String(pid),
      detail,
    })
  }
  // EINVAL: it is being made right now and joins a moment later. EBUSY: a process that ends is not gone yet.
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

/** Moves every process of a group into another, until none is left. Those that end meanwhile are no error. */
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

/** The state of a subtree. */
export interface GroupState {
  readonly populated: boolean
  readonly frozen: boolean
}

/** Returns whether a process is in the subtree, and whether all of them are frozen. */
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
 * Ends every process of a subtree by SIGKILL, also frozen ones and those that are being made, and waits until none is left. Before Linux
 * 5.14 (no `cgroup.kill`) it freezes the subtree, signals each process and thaws. A group that does not exist is empty.
 *
 * @throws CgroupError `CGROUP_TIMEOUT` when some hang in the kernel.
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
  await until(
    () => !stateOf(cgroupfs, path).populated,
    { operation: 'kill all processes of', target: `/${path}` },
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

/** Reads the group of a process; undefined when there is no such process. */
export async function groupOf(host: Host, pid: number): Promise<string | undefined> {
  return (await readCgroup(host, pid))?.path
}

/** A group that another program made may have a name that we refuse. It is left out. */
function isOurs(name: string): boolean {
  try {
    return parseCgroupPath(name) !== ''
  } catch {
    return false
  }
}

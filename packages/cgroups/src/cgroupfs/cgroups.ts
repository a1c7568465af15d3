import type { Host } from '@puppy/host'
import { CgroupError } from '../errors.ts'
import { openCgroupfs, type Cgroupfs } from './cgroupfs.ts'
import { openDevices } from '../limits/device.ts'
import type { Limits } from '../limits/limits.ts'
import { controllersOf } from '../limits/writes.ts'
import { ancestorsOf, parseCgroupPath, type CgroupPath } from '../path.ts'
import { until, type EffectOptions } from '../wait.ts'
import { applyLimits, readLimits } from './apply-limits.ts'
import {
  addProcess,
  groupOf,
  killAll,
  listGroups,
  listProcesses,
  moveAll,
  setFrozen,
  stateOf,
  type GroupState,
} from './processes.ts'
import type { ShrinkOptions } from './shrink-memory.ts'

export interface CgroupsOptions {
  /** Where the tree is mounted. Default `/sys/fs/cgroup`. */
  readonly mount?: string
  /** The tree itself, for tests. */
  readonly cgroupfs?: Cgroupfs
}

export interface RemoveOptions extends EffectOptions {
  /** Whether to kill what is inside; otherwise a group with processes is `CGROUP_BUSY`. */
  readonly kill?: boolean
}

/** Groups of processes in a tree that is ours: delegated to us, or on a machine where nobody else manages it. Paths are below the root. */
export interface Cgroups {
  /**
   * Makes a group, its parents too, hands down the controllers that the limits need, and sets them. One that is there only gets
   * the limits. When they are refused, groups that were made are removed again.
   *
   * @throws CgroupError `CGROUP_INVALID`, `CGROUP_REFUSED`, `CGROUP_BUSY` when a group above has processes of its own.
   */
  create(path: string, limits?: Limits, options?: ShrinkOptions): Promise<{ readonly changed: boolean }>
  /** Sets limits: all or none, only what differs. Says which were changed. @throws CgroupError as `create`, `CGROUP_GONE` */
  limit(path: string, limits: Limits, options?: ShrinkOptions): Promise<readonly string[]>
  /** Reads the limits that the kernel has. */
  limits(path: string): Limits
  /** Moves a process with its threads here. @throws CgroupError `CGROUP_GONE`, `CGROUP_BUSY` (frozen, or an inner group) */
  add(path: string, pid: number): Promise<void>
  /** Moves all processes of one group (not of those inside it) to another; says how many. */
  moveAll(from: string, to: string, options?: EffectOptions): Promise<number>
  processes(path: string, options?: { readonly recursive?: boolean }): readonly number[]
  /** The group and all groups inside it. */
  groups(path: string): readonly string[]
  /** The group of a process. */
  groupOf(pid: number): Promise<string | undefined>
  exists(path: string): boolean
  state(path: string): GroupState
  /** Stops the subtree where it stands, and waits for it. @throws CgroupError `CGROUP_TIMEOUT`, `CGROUP_GONE` */
  freeze(path: string, options?: EffectOptions): Promise<void>
  thaw(path: string, options?: EffectOptions): Promise<void>
  /** Ends every process of the subtree by SIGKILL and waits until it is empty. @throws CgroupError `CGROUP_TIMEOUT` */
  kill(path: string, options?: EffectOptions): Promise<void>
  /** Removes the group and all inside it. @throws CgroupError `CGROUP_BUSY` while processes are in it and `kill` is not given */
  remove(path: string, options?: RemoveOptions): Promise<{ readonly changed: boolean }>
}

/**
 * Opens the tree; nothing is read yet.
 *
 * Where systemd runs it owns every group that it did not delegate: make groups below a unit with `Delegate=yes`, or use slices.
 */
export function openCgroups(host: Host, options: CgroupsOptions = {}): Cgroups {
  const cgroupfs = options.cgroupfs ?? openCgroupfs(host, options.mount)
  const devices = openDevices(host)
  return Object.freeze<Cgroups>({
    create: async (text, limits = {}, effect = {}) => create(cgroupfs, below(text), await devices(limits), effect),
    limit: async (text, limits, effect = {}) => applyLimits(cgroupfs, below(text), await devices(limits), effect),
    limits: (text) => readLimits(cgroupfs, parseCgroupPath(text)),
    add: (text, pid) => addProcess(cgroupfs, parseCgroupPath(text), pid),
    moveAll: (from, to, effect = {}) => moveAll(cgroupfs, parseCgroupPath(from), parseCgroupPath(to), effect),
    processes: (text, { recursive = false } = {}) => listProcesses(cgroupfs, parseCgroupPath(text), recursive),
    groups: (text) => (cgroupfs.exists(parseCgroupPath(text)) ? listGroups(cgroupfs, parseCgroupPath(text)) : []),
    groupOf: (pid) => groupOf(host, pid),
    exists: (text) => cgroupfs.exists(parseCgroupPath(text)),
    state: (text) => stateOf(cgroupfs, parseCgroupPath(text)),
    freeze: (text, effect) => setFrozen(cgroupfs, below(text), true, effect),
    thaw: (text, effect) => setFrozen(cgroupfs, below(text), false, effect),
    kill: (text, effect) => killAll(cgroupfs, below(text), effect),
    remove: (text, effect = {}) => remove(cgroupfs, below(text), effect),
  })
}

/** Limits, freezing and killing are for groups below the root, which is the whole machine. */
function below(text: string): CgroupPath {
  const path = parseCgroupPath(text)
  if (path !== '') return path
  throw new CgroupError('CGROUP_INVALID', {
    operation: 'change the group',
    value: '/',
    detail: 'it is the whole machine',
  })
}

async function create(
  cgroupfs: Cgroupfs,
  path: CgroupPath,
  limits: Limits,
  options: ShrinkOptions,
): Promise<{ readonly changed: boolean }> {
  const controllers = controllersOf(limits)
  const made: CgroupPath[] = []
  try {
    for (const group of [...ancestorsOf(path), path]) {
      if (group !== '' && cgroupfs.make(group)) made.push(group)
      if (group !== path) await handDown(cgroupfs, group, controllers)
    }
    const changes = await applyLimits(cgroupfs, path, limits, options)
    return { changed: made.length > 0 || changes.length > 0 }
  } catch (error) {
    for (const group of made.toReversed()) {
      try {
        cgroupfs.remove(group)
      } catch {
        // Somebody uses it by now; what went wrong first is what matters.
      }
    }
    throw error
  }
}

/** Lets the groups inside this one have controllers. All in one write, and one by one when that fails, to know which it is. */
async function handDown(cgroupfs: Cgroupfs, path: CgroupPath, controllers: readonly string[]): Promise<void> {
  const words = (file: string) => (cgroupfs.read(path, file) ?? '').trim().split(/\s+/)
  const there = words('cgroup.subtree_control')
  const missing = controllers.filter((controller) => !there.includes(controller))
  if (missing.length === 0) return
  const plus = (names: readonly string[]) => names.map((name) => `+${name}`).join(' ')
  try {
    await cgroupfs.write(path, 'cgroup.subtree_control', plus(missing))
  } catch (error) {
    if (missing.length === 1)
      throw naming(error, path, missing[0] ?? '', words('cgroup.controllers'), listProcesses(cgroupfs, path))
    for (const controller of missing) await handDown(cgroupfs, path, [controller])
  }
}

function naming(
  error: unknown,
  path: CgroupPath,
  controller: string,
  offered: readonly string[],
  pids: readonly number[],
): unknown {
  if (!(error instanceof CgroupError)) return error
  const facts = { operation: 'hand down the controller', target: controller, value: `/${path}`, cause: error }
  if (!offered.includes(controller)) {
    return new CgroupError('CGROUP_REFUSED', { ...facts, detail: 'this group does not have it itself' })
  }
  if (error.code !== 'CGROUP_BUSY') return error
  const detail = `the group has processes of its own (${pids.slice(0, 10).join(', ')}); move them into a group inside it first`
  return new CgroupError('CGROUP_BUSY', { ...facts, detail })
}

async function remove(
  cgroupfs: Cgroupfs,
  path: CgroupPath,
  options: RemoveOptions,
): Promise<{ readonly changed: boolean }> {
  if (!cgroupfs.exists(path)) return { changed: false }
  if (options.kill === true) await killAll(cgroupfs, path, options)
  else if (stateOf(cgroupfs, path).populated) {
    const pids = listProcesses(cgroupfs, path, true).slice(0, 10).join(', ')
    throw new CgroupError('CGROUP_BUSY', {
      operation: 'remove the group',
      target: `/${path}`,
      detail: `it has processes (${pids}); end them or give kill`,
    })
  }
  // A process that has just ended keeps its group busy for a moment, and somebody may make groups inside meanwhile.
  await until(
    () => removeTree(cgroupfs, path),
    { operation: 'remove the group', target: `/${path}` },
    { timeout: 5000, ...options },
  )
  return { changed: true }
}

function removeTree(cgroupfs: Cgroupfs, path: CgroupPath): boolean {
  for (const group of listGroups(cgroupfs, path).toReversed()) {
    try {
      cgroupfs.remove(group)
    } catch (error) {
      if (error instanceof CgroupError && error.code === 'CGROUP_BUSY') return false
      throw error
    }
  }
  return true
}

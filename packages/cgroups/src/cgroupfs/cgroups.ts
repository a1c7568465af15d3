import type { Applied, EffectOptions, Facility, Host, ItemResult } from '@puppy/host'
import { ensureSpec } from '../ensure.ts'
import { CgroupError } from '../errors.ts'
import { namesDevices, readDevices, resolveDevices } from '../limits/device.ts'
import type { Limits } from '../limits/limits.ts'
import { parseCgroupPath, type CgroupPath } from '../path.ts'
import { probe, type CgroupProbe } from '../probe.ts'
import { until } from '../wait.ts'
import { applyLimits, hasMemory, planLimits } from './apply-limits.ts'
import { applyStep } from './apply.ts'
import { openCgroupfs, type Cgroupfs } from './cgroupfs.ts'
import { readGroups } from './observe.ts'
import {
  pathBelowRoot,
  planGroups,
  type GroupChange,
  type GroupChangeSet,
  type GroupSpec,
  type ObservedGroups,
} from './plan.ts'
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
import { readLimits } from './read-limits.ts'
import type { ShrinkOptions } from './shrink-memory.ts'

/** The result for one group. Either all its limits are set, or none has changed. */
export type GroupResult = ItemResult<CgroupError>

/** The result of `apply` or `ensure`. */
export type AppliedGroups = Applied<GroupResult, GroupChange>

/** Options of `openCgroups`. */
export interface CgroupsOptions {
  /** The mount point of the tree. Default: `/sys/fs/cgroup`. */
  readonly mount?: string
  /** The tree to use, for tests. */
  readonly cgroupfs?: Cgroupfs
}

/** Options of `Cgroups.remove`. */
export interface RemoveOptions extends EffectOptions {
  /** Whether to kill the processes in it. Otherwise the error for a group with processes is `CGROUP_BUSY`. */
  readonly kill?: boolean
}

/**
 * Groups of processes in a tree that the caller owns: a delegated tree, or the tree of a machine where no other program manages it. Paths
 * are below the root of the tree.
 */
export interface Cgroups extends Facility<
  readonly GroupSpec[],
  ObservedGroups,
  GroupChangeSet,
  GroupResult,
  CgroupProbe
> {
  /** Checks whether this machine has only cgroup v2. Never throws. */
  probe(options?: EffectOptions): Promise<CgroupProbe>
  /** Reads the groups of a spec, their limits, and the controllers that their ancestors enable. Changes nothing. */
  read(spec: readonly GroupSpec[], options?: EffectOptions): Promise<ObservedGroups>
  /** Plans the changes that the spec requires. Pure. The same function as `planGroups`. */
  plan(spec: readonly GroupSpec[], observed: ObservedGroups): GroupChangeSet
  /**
   * Creates groups and their ancestors, enables the controllers that the limits need, and sets all limits of a group or none. A refused
   * group does not affect the other groups. Groups that were created for it are removed again.
   */
  apply(changeSet: GroupChangeSet, options?: ShrinkOptions): Promise<AppliedGroups>
  /**
   * Reads, plans and applies. Tries again when another program changed a group meanwhile (`CGROUP_CONFLICT`), at most three times in all.
   */
  ensure(spec: readonly GroupSpec[], options?: ShrinkOptions): Promise<AppliedGroups>
  /**
   * Creates one group, or changes its limits, by `ensure([{ path, limits }])`.
   *
   * @throws CgroupError `CGROUP_INVALID`, `CGROUP_REFUSED`, `CGROUP_BUSY` when an ancestor itself has processes.
   */
  create(path: string, limits?: Limits, options?: ShrinkOptions): Promise<{ readonly changed: boolean }>
  /**
   * Sets limits of an existing group, all or none. Writes only limits that differ. Enables no controllers. Returns the names of the changed
   * limits.
   *
   * @throws CgroupError as `create`, `CGROUP_GONE`
   */
  limit(path: string, limits: Limits, options?: ShrinkOptions): Promise<readonly string[]>
  /** Reads the limits of a group from the kernel. */
  limits(path: string): Limits
  /** Moves a process with its threads into a group. @throws CgroupError `CGROUP_GONE`, `CGROUP_BUSY` (frozen, or it enables controllers) */
  add(path: string, pid: number): Promise<void>
  /** Moves all processes of one group, without those of its descendants, to another group. Returns the number of processes. */
  moveAll(from: string, to: string, options?: EffectOptions): Promise<number>
  /** Lists the processes of a group, or of its whole subtree. */
  processes(path: string, options?: { readonly recursive?: boolean }): readonly number[]
  /** Lists the group and all its descendants. */
  groups(path: string): readonly string[]
  /** Reads the group of a process. Returns undefined when the process does not exist. */
  groupOf(pid: number): Promise<string | undefined>
  /** Returns whether a group exists. */
  exists(path: string): boolean
  /** Reads whether a group or a descendant has processes, and whether the group is frozen. */
  state(path: string): GroupState
  /** Freezes all processes of the subtree and waits until they are frozen. @throws CgroupError `CGROUP_TIMEOUT`, `CGROUP_GONE` */
  freeze(path: string, options?: EffectOptions): Promise<void>
  /** Thaws the subtree and waits until it runs again. @throws CgroupError as `freeze` */
  thaw(path: string, options?: EffectOptions): Promise<void>
  /** Ends every process of the subtree with SIGKILL and waits until it is empty. @throws CgroupError `CGROUP_TIMEOUT` */
  kill(path: string, options?: EffectOptions): Promise<void>
  /** Removes the group and all its descendants. @throws CgroupError `CGROUP_BUSY` when they have processes and `kill` is not set */
  remove(path: string, options?: RemoveOptions): Promise<{ readonly changed: boolean }>
}

/**
 * Opens the tree of groups. Reads nothing yet.
 *
 * systemd owns every group that it did not delegate. On a machine with systemd, create groups below a unit with `Delegate=yes`, or use
 * `openSlices`.
 */
export function openCgroups(host: Host, options: CgroupsOptions = {}): Cgroups {
  const cgroupfs = options.cgroupfs ?? openCgroupfs(host, options.mount)
  const read = (spec: readonly GroupSpec[]) => readGroups(host, cgroupfs, spec)
  const apply = (changeSet: GroupChangeSet, effect: ShrinkOptions = {}) => applyGroups(cgroupfs, changeSet, effect)
  const ensure = (spec: readonly GroupSpec[], effect: ShrinkOptions = {}): Promise<AppliedGroups> =>
    ensureSpec(async () => apply(planGroups(spec, await read(spec)), effect))
  return Object.freeze<Cgroups>({
    probe: (effect = {}) => probe(host, { ...effect, cgroupfs }),
    read,
    plan: planGroups,
    apply,
    ensure,
    create: async (path, limits = {}, effect = {}) => {
      const { changed, results } = await ensure([{ path, limits }], effect)
      if (results[0]?.error !== undefined) throw results[0].error
      return { changed }
    },
    limit: async (path, limits, effect = {}) => limit(host, cgroupfs, { path: pathBelowRoot(path), limits }, effect),
    limits: (text) => readLimits(cgroupfs, parseCgroupPath(text)),
    add: (text, pid) => addProcess(cgroupfs, parseCgroupPath(text), pid),
    moveAll: (from, to, effect = {}) => moveAll(cgroupfs, parseCgroupPath(from), parseCgroupPath(to), effect),
    processes: (text, { recursive = false } = {}) => listProcesses(cgroupfs, parseCgroupPath(text), recursive),
    groups: (text) => (cgroupfs.exists(parseCgroupPath(text)) ? listGroups(cgroupfs, parseCgroupPath(text)) : []),
    groupOf: (pid) => groupOf(host, pid),
    exists: (text) => cgroupfs.exists(parseCgroupPath(text)),
    state: (text) => stateOf(cgroupfs, parseCgroupPath(text)),
    freeze: (text, effect) => setFrozen(cgroupfs, pathBelowRoot(text), true, effect),
    thaw: (text, effect) => setFrozen(cgroupfs, pathBelowRoot(text), false, effect),
    kill: (text, effect) => killAll({ host, cgroupfs }, pathBelowRoot(text), effect),
    remove: (text, effect = {}) => remove({ host, cgroupfs }, pathBelowRoot(text), effect),
  })
}

async function limit(
  host: Host,
  cgroupfs: Cgroupfs,
  { path, limits }: { readonly path: CgroupPath; readonly limits: Limits },
  effect: ShrinkOptions,
): Promise<readonly string[]> {
  if (!cgroupfs.exists(path)) {
    throw new CgroupError('CGROUP_GONE', {
      operation: 'limit the group',
      target: `/${path}`,
      detail: 'the group does not exist; create it first',
    })
  }
  const resolved = namesDevices(limits) ? resolveDevices(limits, await readDevices(host)) : limits
  const writes = planLimits(resolved, readLimits(cgroupfs, path, resolved), hasMemory(cgroupfs, path))
  await applyLimits(cgroupfs, path, { limits: resolved, writes }, effect)
  return writes.map(({ name }) => name)
}

async function applyGroups(
  cgroupfs: Cgroupfs,
  { spec, changes, steps, refused }: GroupChangeSet,
  effect: ShrinkOptions,
): Promise<AppliedGroups> {
  effect.signal?.throwIfAborted()
  const failed = new Map(refused.map(({ target, error }) => [target, error]))
  const done = new Set<string>()
  for (const step of steps) {
    try {
      await applyStep(cgroupfs, step, effect)
      done.add(step.path)
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error
      failed.set(step.path, error)
    }
  }
  const results = spec.map(({ path }): GroupResult => {
    const error = failed.get(path)
    return { target: path, changed: done.has(path), ...(error === undefined ? {} : { error }) }
  })
  return { changed: done.size > 0, changes, results }
}

async function remove(
  { host, cgroupfs }: { readonly host: Host; readonly cgroupfs: Cgroupfs },
  path: CgroupPath,
  options: RemoveOptions,
): Promise<{ readonly changed: boolean }> {
  if (!cgroupfs.exists(path)) return { changed: false }
  if (options.kill === true) await killAll({ host, cgroupfs }, path, options)
  else if (stateOf(cgroupfs, path).populated) {
    const pids = listProcesses(cgroupfs, path, true).slice(0, 10).join(', ')
    throw new CgroupError('CGROUP_BUSY', {
      operation: 'remove the group',
      target: `/${path}`,
      detail: `it has processes (${pids}); end them, or set the option kill`,
    })
  }
  // A process that has just ended keeps its group busy for a moment, and another program may create child groups meanwhile.
  await until(() => removeTree(cgroupfs, path), { operation: 'remove the group', target: `/${path}` }, options)
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

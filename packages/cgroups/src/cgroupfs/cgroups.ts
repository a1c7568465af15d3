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

/** What became of one group. Its limits are all set, or all as before. */
export type GroupResult = ItemResult<CgroupError>

/** What applying a change set, or `ensure`, did. */
export type AppliedGroups = Applied<GroupResult, GroupChange>

/** Options of `openCgroups`. */
export interface CgroupsOptions {
  /** Where the tree is mounted. Default `/sys/fs/cgroup`. */
  readonly mount?: string
  /** The tree itself, for tests. */
  readonly cgroupfs?: Cgroupfs
}

/** Options of `Cgroups.remove`. */
export interface RemoveOptions extends EffectOptions {
  /** Whether to kill the processes inside. Otherwise a group with processes is `CGROUP_BUSY`. */
  readonly kill?: boolean
}

/**
 * Groups of processes in a tree that is ours: delegated to us, or on a machine where no other program manages it. Paths are below the
 * root.
 */
export interface Cgroups extends Facility<
  readonly GroupSpec[],
  ObservedGroups,
  GroupChangeSet,
  GroupResult,
  CgroupProbe
> {
  /** Finds out whether this machine has cgroup v2 alone. Never throws. */
  probe(options?: EffectOptions): Promise<CgroupProbe>
  /** Reads the groups of a spec, their limits, and which controllers the groups around them enable. Changes nothing. */
  read(spec: readonly GroupSpec[], options?: EffectOptions): Promise<ObservedGroups>
  /** Returns the changes that make groups as the spec says. Pure: `planGroups`. */
  plan(spec: readonly GroupSpec[], observed: ObservedGroups): GroupChangeSet
  /**
   * Makes groups and those around them, enables the controllers that the limits need, and sets the limits: all of a group or none.
   * A group that is refused does not disturb the others. Groups that were made for it are removed again.
   */
  apply(changeSet: GroupChangeSet, options?: ShrinkOptions): Promise<AppliedGroups>
  /** Reads, plans and applies; again, three times at the most, when another program changed a group meanwhile (`CGROUP_CONFLICT`). */
  ensure(spec: readonly GroupSpec[], options?: ShrinkOptions): Promise<AppliedGroups>
  /**
   * Ensures one group: `ensure([{ path, limits }])`.
   *
   * @throws CgroupError `CGROUP_INVALID`, `CGROUP_REFUSED`, `CGROUP_BUSY` when a group above has processes of its own.
   */
  create(path: string, limits?: Limits, options?: ShrinkOptions): Promise<{ readonly changed: boolean }>
  /**
   * Sets limits of a group that is there: all or none, only what differs. It enables no controllers. Returns the names of the limits that
   * were changed.
   *
   * @throws CgroupError as `create`, `CGROUP_GONE`
   */
  limit(path: string, limits: Limits, options?: ShrinkOptions): Promise<readonly string[]>
  /** Reads the limits that the kernel has. */
  limits(path: string): Limits
  /** Moves a process with its threads here. @throws CgroupError `CGROUP_GONE`, `CGROUP_BUSY` (frozen, or an inner group) */
  add(path: string, pid: number): Promise<void>
  /** Moves all processes of one group, not of those inside it, to another. Returns how many. */
  moveAll(from: string, to: string, options?: EffectOptions): Promise<number>
  /** Lists the processes of a group, or of its whole subtree. */
  processes(path: string, options?: { readonly recursive?: boolean }): readonly number[]
  /** Lists the group and all groups inside it. */
  groups(path: string): readonly string[]
  /** Returns the group of a process; undefined when there is no such process. */
  groupOf(pid: number): Promise<string | undefined>
  /** Returns whether a group is there. */
  exists(path: string): boolean
  /** Returns whether a group has processes, itself or inside, and whether it is frozen. */
  state(path: string): GroupState
  /** Freezes all processes of the subtree, and waits for it. @throws CgroupError `CGROUP_TIMEOUT`, `CGROUP_GONE` */
  freeze(path: string, options?: EffectOptions): Promise<void>
  /** Thaws the subtree, and waits for it. @throws as `freeze` */
  thaw(path: string, options?: EffectOptions): Promise<void>
  /** Ends every process of the subtree by SIGKILL and waits until it is empty. @throws CgroupError `CGROUP_TIMEOUT` */
  kill(path: string, options?: EffectOptions): Promise<void>
  /** Removes the group and all inside it. @throws CgroupError `CGROUP_BUSY` while processes are in it and `kill` is not given */
  remove(path: string, options?: RemoveOptions): Promise<{ readonly changed: boolean }>
}

/**
 * Opens the tree. Nothing is read yet.
 *
 * Where systemd runs it owns every group that it did not delegate: make groups below a unit with `Delegate=yes`, or use `openSlices`.
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
      detail: 'it does not exist',
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
      detail: `it has processes (${pids}); end them or give kill`,
    })
  }
  // A process that has just ended keeps its group busy for a moment, and another program may make groups inside meanwhile.
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

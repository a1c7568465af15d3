import type { Change, ChangeSet } from '@puppy/host'
import { CgroupError } from '../errors.ts'
import { faultsOfShape } from '../limits/check.ts'
import { resolveDevices, type Devices } from '../limits/device.ts'
import type { Limits } from '../limits/limits.ts'
import { invalidLimit } from '../limits/settings.ts'
import { controllersOf } from '../limits/writes.ts'
import { ancestorsOf, parseCgroupPath, type CgroupPath } from '../path.ts'
import { planLimits, type LimitWrite } from './apply-limits.ts'

/** A group that should exist, and its limits. */
export interface GroupSpec {
  /** The path below the root of the tree, without a leading slash: `demo/worker`. */
  readonly path: string
  readonly limits?: Limits
}

/** An observed group. It may be an ancestor of a group of the spec. */
export interface ObservedGroup {
  readonly path: CgroupPath
  /** The values in the kernel, for the keys of the spec. */
  readonly limits: Limits
  /** The controllers that it enables for its child groups. */
  readonly enabled: readonly string[]
}

/** What `plan` compares a spec with. */
export interface ObservedGroups {
  /** The groups that exist. */
  readonly groups: readonly ObservedGroup[]
  /** Disks and mounts. Absent when the spec names no devices. */
  readonly devices?: Devices
}

/** One planned difference between a spec and an observation. */
export interface GroupChange extends Change {
  readonly facility: 'cgroups'
  /** The path of the group. */
  readonly target: string
  /** `add`: create the group. `enable`: enable controllers for its child groups. `set`: set a limit, such as `pids.max=6`. */
  readonly action: 'add' | 'enable' | 'set'
}

/** The work of `apply` for one group. */
export interface GroupStep {
  readonly path: CgroupPath
  readonly existed: boolean
  readonly limits: Limits
  /** The controllers that its ancestors must enable. */
  readonly controllers: readonly string[]
  readonly writes: readonly LimitWrite[]
}

/** The changes for `apply`, with everything that it needs to perform them and to report results. */
export interface GroupChangeSet extends ChangeSet<GroupChange, CgroupError> {
  readonly spec: readonly GroupSpec[]
  readonly steps: readonly GroupStep[]
}

/** Plans the changes that the spec requires. Pure. */
export function planGroups(spec: readonly GroupSpec[], { groups, devices }: ObservedGroups): GroupChangeSet {
  const seen = new Map<string, Pick<ObservedGroup, 'enabled' | 'limits'>>(groups.map((one) => [one.path, one]))
  const refused = new Map<string, CgroupError>()
  const planned = new Map<string, { readonly step: GroupStep; readonly changes: readonly GroupChange[] }>()
  for (const item of spec) {
    try {
      if (planned.has(item.path))
        throw invalidGroup(item.path, 'the spec has this group more than once; keep one item for it')
      const path = pathBelowRoot(item.path)
      const limits = limitsOf(item, devices)
      const step: GroupStep = {
        path,
        existed: seen.has(path),
        limits,
        controllers: controllersOf(limits),
        writes: planLimits(limits, seen.get(path)?.limits ?? {}, hasMemory(path, seen)),
      }
      planned.set(item.path, { step, changes: changesOf(step, seen) })
      // The next items see the groups and controllers of this item.
      for (const group of [...ancestorsOf(path), path]) {
        const { enabled = [], limits: has = {} } = seen.get(group) ?? {}
        const controllers = group === path ? [] : step.controllers
        seen.set(group, { limits: has, enabled: [...new Set([...enabled, ...controllers])] })
      }
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error
      refused.set(item.path, error)
    }
  }
  const valid = [...planned].filter(([path]) => !refused.has(path)).map(([, one]) => one)
  return {
    spec,
    changes: valid.flatMap(({ changes }) => changes),
    steps: valid.flatMap(({ step, changes }) => (changes.length === 0 ? [] : [step])),
    refused: [...refused].map(([target, error]) => ({ target, error })),
  }
}

/** Returns whether a group exists and its parent enables the memory controller for it. */
function hasMemory(path: CgroupPath, seen: ReadonlyMap<string, Pick<ObservedGroup, 'enabled'>>): boolean {
  const parent = ancestorsOf(path).at(-1)
  return seen.has(path) && parent !== undefined && seen.get(parent)?.enabled.includes('memory') === true
}

/** Parses a path and refuses the root, which is the whole machine: it must not be limited, frozen or killed. @throws CgroupError */
export function pathBelowRoot(text: string): CgroupPath {
  const path = parseCgroupPath(text)
  if (path !== '') return path
  throw invalidGroup('/', 'the root group is the whole machine; use a group below it')
}

function invalidGroup(value: string, detail: string): CgroupError {
  return new CgroupError('CGROUP_INVALID', { operation: 'change the group', value, detail })
}

function limitsOf({ limits = {} }: GroupSpec, devices: Devices = { disks: [], mounts: [] }): Limits {
  const [fault] = faultsOfShape(limits)
  if (fault !== undefined) throw invalidLimit(fault)
  return resolveDevices(limits, devices)
}

function changesOf(
  { path, controllers, writes }: GroupStep,
  seen: ReadonlyMap<string, Pick<ObservedGroup, 'enabled'>>,
): readonly GroupChange[] {
  const change = (target: CgroupPath, action: GroupChange['action'], texts: Pick<GroupChange, 'before' | 'after'>) =>
    ({ facility: 'cgroups', target: target === '' ? '/' : target, action, ...texts }) satisfies GroupChange
  return [
    ...[...ancestorsOf(path), path].flatMap((group) => {
      const missing = controllers.filter((one) => seen.get(group)?.enabled.includes(one) !== true)
      return [
        ...(group === '' || seen.has(group) ? [] : [change(group, 'add', {})]),
        ...(group === path || missing.length === 0 ? [] : [change(group, 'enable', { after: missing.join(' ') })]),
      ]
    }),
    ...writes.map(({ name, observed, spec }) => {
      const after = `${name}=${spec}`
      return change(path, 'set', observed === undefined ? { after } : { before: `${name}=${observed}`, after })
    }),
  ]
}

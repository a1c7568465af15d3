import { nameOf, valueAt, type Setting } from './check.ts'
import type { LimitValue } from './kinds.ts'
import type { Limits } from './limits.ts'
import { settingsOf } from './settings.ts'
import type { DeviceKey } from './table.ts'

/** A limit that differs from the spec. */
export interface Difference {
  /** The kernel's file, and the line in it if it has several: `io.max 254:0 rbps`. */
  readonly name: string
  readonly spec: string
  /** The value in the kernel. Absent when the group does not have the file. */
  readonly observed?: string
}

/** The largest page size of a kernel. Limits are rounded down to pages. */
export const largestPage = 64 * 1024

/**
 * Returns the limits of a spec that differ from the observed limits. Ignores limits that are not in the spec. Pure.
 *
 * Bytes that are less than a page below the spec are equal to it, because the kernel rounds them down. A device that the kernel does not
 * list has no limits.
 *
 * @param memory whether the group has the files of the memory controller. Only then a missing file for swap means that the kernel has no
 *   swap, so that its limit is not needed.
 * @throws CgroupError `CGROUP_INVALID`
 */
export function differencesOf(spec: Limits, observed: Limits, memory = true): readonly Difference[] {
  return differingSettings(spec, observed, memory).map(({ setting, observed: value }) => ({
    name: nameOf(setting),
    spec: String(setting.value),
    ...(value === undefined ? {} : { observed: String(value) }),
  }))
}

/** Renders a difference for a message: `pids.max is 6 and should be 5`. */
export function renderDifference({ name, spec, observed }: Difference): string {
  return observed === undefined
    ? `${name} does not exist and should be ${spec}`
    : `${name} is ${observed} and should be ${spec}`
}

/** A setting of the spec and the observed value. */
export interface DifferingSetting {
  readonly setting: Setting
  readonly observed: LimitValue | undefined
}

/** Returns the same differences as settings that can be written. */
export function differingSettings(spec: Limits, observed: Limits, memory = true): readonly DifferingSetting[] {
  return settingsOf(spec).flatMap((setting) => {
    const value = valueIn(observed, setting)
    return isSame(setting, value, memory) ? [] : [{ setting, observed: value }]
  })
}

/** Returns whether a group with the memory controller may lack a file, because a kernel without swap does not have it. */
export function mayBeAbsent(file: string): boolean {
  return file === 'memory.swap.max' || file === 'memory.zswap.max'
}

function isSame({ row: { file, kind }, value }: Setting, observed: LimitValue | undefined, memory: boolean): boolean {
  if (observed === value) return true
  // A kernel without swap does not have the file, and does not need the limit.
  if (observed === undefined) return memory && mayBeAbsent(file) && (value === 0 || value === 'max')
  if (typeof value !== 'number' || typeof observed !== 'number') return false
  if (kind === 'cores') return Math.abs(value - observed) < 1e-6
  return kind === 'bytes' && observed <= value && value - observed < largestPage
}

function valueIn(observed: Limits, { row: { file, path }, item }: Setting): LimitValue | undefined {
  if (file !== 'io.max') return valueAt(observed, path)
  const [device, key] = (item ?? '').split(' ')
  if (observed.io?.max === undefined) return undefined
  const entry = observed.io.max.find((one) => one.device === device)
  return entry === undefined ? 'max' : entry[key as DeviceKey]
}

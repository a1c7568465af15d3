import { nameOf, valueAt, type Setting } from './check.ts'
import type { LimitValue } from './kinds.ts'
import type { Limits } from './limits.ts'
import { settingsOf } from './settings.ts'
import type { DeviceKey } from './table.ts'

/** A limit that is not as the spec says. */
export interface Difference {
  /** The kernel's file, and the line in it if it has several: `io.max 254:0 rbps`. */
  readonly name: string
  readonly spec: string
  /** What the kernel has. Undefined: this group has no such file. */
  readonly observed?: string
}

/** The largest page that a kernel rounds limits down to. */
export const largestPage = 64 * 1024

/**
 * Returns the limits of a spec that differ from what was observed. Pure. A limit that the spec says nothing about is no difference.
 *
 * Bytes that are less than a page below the spec are what the kernel makes of them. A device that the kernel does not list is
 * without limits.
 *
 * @param memory whether the group has the files of the memory controller. Without them a limit of swap is not known to be unnecessary.
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
    ? `there is no ${name}, which should be ${spec}`
    : `${name} is ${observed} and should be ${spec}`
}

/** A setting of the spec and what was observed in its place. */
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

/** Returns whether a group with the memory controller may lack a file: a kernel without swap has none for it. */
export function mayBeAbsent(file: string): boolean {
  return file === 'memory.swap.max' || file === 'memory.zswap.max'
}

function isSame({ row: { file, kind }, value }: Setting, observed: LimitValue | undefined, memory: boolean): boolean {
  if (observed === value) return true
  // A kernel without swap has no such file, and swaps nothing out.
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

import { CgroupError } from '../errors.ts'
import { nameOf } from '../limits/check.ts'
import {
  differencesOf,
  differingSettings,
  mayBeAbsent,
  renderDifference,
  type DifferingSetting,
} from '../limits/compare.ts'
import type { LimitValue } from '../limits/kinds.ts'
import type { Limits } from '../limits/limits.ts'
import { renderSetting, type CgroupWrite } from '../limits/writes.ts'
import type { CgroupPath } from '../path.ts'
import type { Cgroupfs } from './cgroupfs.ts'
import { readLimits } from './read-limits.ts'
import { shrinkMemory, type ShrinkOptions } from './shrink-memory.ts'

/** One limit to set, and its previous value. */
export interface LimitWrite extends CgroupWrite {
  /** `io.max 254:0 rbps` */
  readonly name: string
  /** The observed value, as in `Limits`. Undefined when the file did not exist. */
  readonly observed: LimitValue | undefined
  /** The value of the limit, as in `Limits`. */
  readonly spec: LimitValue
  /** The text that restores the observed value. */
  readonly undo: string
}

/**
 * Plans the writes that set these limits of a group, in order. Devices must be numbers. Pure.
 *
 * @param memory whether the group already has the files of the memory controller
 * @throws CgroupError `CGROUP_INVALID`
 */
export function planLimits(limits: Limits, observed: Limits, memory = true): readonly LimitWrite[] {
  return ordered(differingSettings(limits, observed, memory)).map(({ setting, observed: before }) => ({
    name: nameOf(setting),
    ...renderSetting(setting),
    observed: before,
    spec: setting.value,
    undo: renderSetting({ ...setting, value: before ?? setting.row.initial }).value,
  }))
}

/**
 * Writes all limits or none, and reads them back.
 *
 * @throws CgroupError `CGROUP_REFUSED`, `CGROUP_GONE`. Limits that were already written are restored.
 */
export async function applyLimits(
  cgroupfs: Cgroupfs,
  path: CgroupPath,
  { limits, writes }: { readonly limits: Limits; readonly writes: readonly LimitWrite[] },
  options: ShrinkOptions = {},
): Promise<void> {
  const max = writes.find(({ file }) => file === 'memory.max')?.spec
  const high = cgroupfs.read(path, 'memory.high')?.trim()
  if (typeof max === 'number') await shrinkMemory(cgroupfs, path, max, options)
  const done: CgroupWrite[] =
    high === undefined || typeof max !== 'number' ? [] : [{ file: 'memory.high', value: high }]
  try {
    const memory = hasMemory(cgroupfs, path)
    for (const { file, value, undo } of writes) {
      if (memory && mayBeAbsent(file) && cgroupfs.read(path, file) === undefined) continue
      await cgroupfs.write(path, file, value)
      done.push({ file, value: undo })
    }
    // shrinkMemory() lowered memory.high. Restores it when no limit of the spec sets it.
    const kept = high !== undefined && !writes.some(({ file }) => file === 'memory.high')
    if (kept && typeof max === 'number') await cgroupfs.write(path, 'memory.high', high)
    const left = differencesOf(limits, readLimits(cgroupfs, path, limits), memory)
    if (left.length > 0) {
      throw new CgroupError('CGROUP_REFUSED', {
        operation: 'limit the group',
        target: `/${path}`,
        detail: `${left.map(renderDifference).join(', ')}; all limits were restored`,
      })
    }
  } catch (error) {
    for (const { file, value } of done.toReversed()) await cgroupfs.write(path, file, value).catch(() => undefined)
    throw error
  }
}

/** Returns whether a group has the files of the memory controller. */
export function hasMemory(cgroupfs: Cgroupfs, path: CgroupPath): boolean {
  return cgroupfs.read(path, 'memory.current') !== undefined
}

/** Orders the settings. When `memory.max` grows, it is written before `memory.high`, so that the limits are never tighter than before. */
function ordered(differing: readonly DifferingSetting[]): readonly DifferingSetting[] {
  const grows = differing.some(
    ({ setting: { row, value }, observed }) =>
      row.file === 'memory.max' && (value === 'max' || (typeof observed === 'number' && Number(value) > observed)),
  )
  const rank = ({ setting }: DifferingSetting) => (grows && setting.row.file === 'memory.high' ? 1 : 0)
  return differing.toSorted((one, other) => rank(one) - rank(other))
}

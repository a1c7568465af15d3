import { CgroupError } from '../errors.ts'
import type { Cgroupfs } from './cgroupfs.ts'
import { differingSettings } from '../limits/compare.ts'
import type { Limits } from '../limits/limits.ts'
import { parseLimits } from '../limits/parse.ts'
import { nameOf, type Setting } from '../limits/settings.ts'
import { renderSetting } from '../limits/writes.ts'
import type { CgroupPath } from '../path.ts'
import { shrinkMemory, type ShrinkOptions } from './shrink-memory.ts'

/**
 * Gives a group limits: all of them or none. Writes only what differs, then reads it back. Devices must be numbers.
 *
 * @returns the names of what was changed.
 * @throws CgroupError `CGROUP_INVALID`, `CGROUP_REFUSED`, `CGROUP_GONE`; what had been written is as it was before.
 */
export async function applyLimits(
  cgroupfs: Cgroupfs,
  path: CgroupPath,
  limits: Limits,
  options: ShrinkOptions = {},
): Promise<readonly string[]> {
  const before = readLimits(cgroupfs, path, limits)
  const differing = ordered(differingSettings(limits, before))
  const max = differing.find(({ setting }) => setting.file === 'memory.max')?.setting.value
  const high = cgroupfs.read(path, 'memory.high')?.trim()
  if (typeof max === 'number') await shrinkMemory(cgroupfs, path, max, options)
  const done: Undo[] = high === undefined || typeof max !== 'number' ? [] : [{ file: 'memory.high', value: high }]
  try {
    for (const { setting, observed } of differing) {
      const write = renderSetting(setting)
      await cgroupfs.write(path, write.file, write.value)
      done.push(undoOf(setting, observed))
    }
    // The shrinking has set memory.high, which is not among what changes.
    const kept = high !== undefined && !differing.some(({ setting }) => setting.file === 'memory.high')
    if (kept && typeof max === 'number') await cgroupfs.write(path, 'memory.high', high)
    const left = differingSettings(limits, readLimits(cgroupfs, path, limits))
    if (left.length > 0) throw notTaken(path, left)
  } catch (error) {
    for (const { file, value } of done.toReversed()) await cgroupfs.write(path, file, value).catch(() => undefined)
    throw error
  }
  return differing.map(({ setting }) => nameOf(setting))
}

/** Reads a group's limits, or those of its limits that `like` has. */
export function readLimits(cgroupfs: Cgroupfs, path: CgroupPath, like?: Limits): Limits {
  return parseLimits((file) => cgroupfs.read(path, file), like)
}

type Differing = ReturnType<typeof differingSettings>

interface Undo {
  readonly file: string
  readonly value: string
}

/** Growing goes from the outside in, `memory.max` before `memory.high`, so that what was allowed before stays so in between. */
function ordered(differing: Differing): Differing {
  const grows = differing.some(
    ({ setting, observed }) =>
      setting.file === 'memory.max' &&
      (setting.value === 'max' || (typeof observed === 'number' && Number(setting.value) > observed)),
  )
  const rank = ({ setting }: Differing[number]) => (grows && setting.file === 'memory.high' ? 1 : 0)
  return differing.toSorted((one, other) => rank(one) - rank(other))
}

function undoOf(setting: Setting, observed: Setting['value'] | undefined): Undo {
  const nothing = setting.kind === 'flag' ? false : setting.kind === 'text' || setting.kind === 'numbers' ? '\n' : 'max'
  return renderSetting({ ...setting, value: observed ?? nothing })
}

function notTaken(path: CgroupPath, left: Differing): CgroupError {
  const words = left.map(
    ({ setting, observed }) => `${nameOf(setting)} is ${observed ?? 'not there'}, wanted ${setting.value}`,
  )
  return new CgroupError('CGROUP_REFUSED', {
    operation: 'limit the group',
    target: `/${path}`,
    detail: `${words.join(', ')}; all limits are as before`,
  })
}

import type { Limits } from './limits.ts'
import { fields, nameOf, settingsOf, type Setting } from './settings.ts'

/** A limit that is not what it should be. */
export interface Difference {
  /** The kernel's file, and the line in it if it has several: `io.max 254:0 rbps`. */
  readonly name: string
  readonly wanted: string
  /** Absent when the file is not there. */
  readonly observed?: string
}

/** The largest page that a kernel rounds limits down to. */
export const largestPage = 64 * 1024

/**
 * Says which of the wanted limits are not what is observed. Pure. What is observed and not wanted is no difference; bytes that
 * are less than a page below are what the kernel makes of them, and a device that the kernel does not list is without limits.
 *
 * @throws CgroupError `CGROUP_INVALID`
 */
export function differencesOf(wanted: Limits, observed: Limits): readonly Difference[] {
  return differingSettings(wanted, observed).map(({ setting, observed: value }) => ({
    name: nameOf(setting),
    wanted: String(setting.value),
    ...(value === undefined ? {} : { observed: String(value) }),
  }))
}

/** The same, as settings that can be written. */
export function differingSettings(
  wanted: Limits,
  observed: Limits,
): readonly { readonly setting: Setting; readonly observed: Setting['value'] | undefined }[] {
  const settings = settingsOf(wanted)
  return settings.flatMap((setting) => {
    const value = valueIn(observed, setting)
    return isSame(setting, value) ? [] : [{ setting, observed: value }]
  })
}

function isSame({ file, kind, value }: Setting, observed: Setting['value'] | undefined): boolean {
  if (observed === value) return true
  // Without swap in the machine's kernel there is no file, and nothing that could be swapped out.
  if (observed === undefined)
    return (file === 'memory.swap.max' || file === 'memory.zswap.max') && (value === 0 || value === 'max')
  if (typeof value !== 'number' || typeof observed !== 'number') return false
  if (kind === 'cores') return Math.abs(value - observed) < 1e-6
  return kind === 'bytes' && observed <= value && value - observed < largestPage
}

function valueIn(observed: Limits, { file, item }: Setting): Setting['value'] | undefined {
  if (file === 'io.max') {
    const [device, key] = (item ?? '').split(' ')
    if (observed.io?.max === undefined) return undefined
    const row = observed.io.max.find((one) => one.device === device)
    return row === undefined ? 'max' : row[key as 'rbps']
  }
  if (file === 'misc.max') return observed.misc?.[item ?? '']
  const size = /^hugetlb\.(.+)\.max$/.exec(file)?.[1]
  if (size !== undefined) return observed.hugetlb?.[size]
  const field = fields.find(([, , name]) => name === file)
  if (field === undefined) return observed.raw?.[file]
  const [controller, key] = field
  return (observed[controller] as Readonly<Record<string, Setting['value'] | undefined>> | undefined)?.[key]
}

import type { Limits } from './limits.ts'
import { settingsOf, type Setting } from './settings.ts'

/** One line to be written to a file of the kernel. */
export interface CgroupWrite {
  readonly file: string
  readonly value: string
}

/** The period of `cpu.max`, in microseconds: the kernel's and systemd's default. */
const period = 100_000

/**
 * Plans what to write so that a group has these limits, in this order. Pure.
 *
 * @throws CgroupError `CGROUP_INVALID`
 */
export function planWrites(limits: Limits): readonly CgroupWrite[] {
  return settingsOf(limits).map(renderSetting)
}

/** The line that sets one limit. */
export function renderSetting({ file, item, kind, value }: Setting): CgroupWrite {
  if (file === 'cpu.max')
    return { file, value: `${value === 'max' ? 'max' : Math.round(Number(value) * period)} ${period}` }
  if (kind === 'flag') return { file, value: value === true ? '1' : '0' }
  if (file === 'io.weight') return { file, value: `default ${value}` }
  if (item === undefined) return { file, value: String(value) }
  const [line = '', key] = item.split(' ')
  return { file, value: key === undefined ? `${line} ${value}` : `${line} ${key}=${value}` }
}

/** The controllers that must be handed down to a group for these limits: `cpu`, `memory`, … */
export function controllersOf(limits: Limits): readonly string[] {
  return [...new Set(settingsOf(limits).map(({ file }) => file.slice(0, file.indexOf('.'))))]
}

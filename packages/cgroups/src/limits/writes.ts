import type { Setting } from './check.ts'
import type { Limits } from './limits.ts'
import { settingsOf } from './settings.ts'

/** One line to write to a kernel file. */
export interface CgroupWrite {
  readonly file: string
  readonly value: string
}

/**
 * Plans the writes that set these limits of a group, in order. Pure.
 *
 * @throws CgroupError `CGROUP_INVALID`
 */
export function planWrites(limits: Limits): readonly CgroupWrite[] {
  return settingsOf(limits).map(renderSetting)
}

/** Renders the line that sets one limit. */
export function renderSetting({ row: { file, render }, item, value }: Setting): CgroupWrite {
  if (item === undefined) return { file, value: render(value) }
  const [line = '', key] = item.split(' ')
  return { file, value: key === undefined ? `${line} ${render(value)}` : `${line} ${key}=${render(value)}` }
}

/** Returns the controllers that must be enabled for a group to have these limits: `cpu`, `memory`, … */
export function controllersOf(limits: Limits): readonly string[] {
  return [...new Set(settingsOf(limits).map(({ row: { file } }) => file.slice(0, file.indexOf('.'))))]
}

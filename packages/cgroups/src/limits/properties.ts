import { nameOf, type Setting } from './check.ts'
import type { Limits } from './limits.ts'
import { invalidLimit, settingsOf } from './settings.ts'

/**
 * Renders limits as lines of a unit file, such as `MemoryMax=200000000`. Pure.
 *
 * @throws CgroupError `CGROUP_INVALID`, also for a limit without a systemd property in a slice: `cpu.burst`, `memory.oomGroup`,
 *   `hugetlb`, `misc`, `raw`.
 * @see systemd.resource-control(5)
 */
export function renderProperties(limits: Limits): readonly string[] {
  return settingsOf(limits).flatMap((setting) => renderProperty(setting, limits))
}

function renderProperty(setting: Setting, limits: Limits): readonly string[] {
  const { row, item, value } = setting
  if (row.property === undefined) {
    const detail = 'systemd has no property for this limit in a slice; set it with openCgroups()'
    throw invalidLimit({ name: nameOf(setting), value: String(value), detail })
  }
  // systemd has no separate property for `cpu.idle`. Setting a weight makes a group not idle.
  if (row.file === 'cpu.idle' && value === false) return limits.cpu?.weight === undefined ? ['CPUWeight=100'] : []
  const device = item === undefined ? '' : `/dev/block/${item.split(' ')[0]} `
  return [`${row.property}=${device}${row.renderProperty(value)}`]
}

import { CgroupError } from '../errors.ts'
import type { Limits } from './limits.ts'
import { fields, nameOf, settingsOf, type Setting } from './settings.ts'

const deviceProperties: Readonly<Record<string, string>> = {
  rbps: 'IOReadBandwidthMax',
  wbps: 'IOWriteBandwidthMax',
  riops: 'IOReadIOPSMax',
  wiops: 'IOWriteIOPSMax',
}

/**
 * Renders limits as lines of a unit: `MemoryMax=200000000`. Pure.
 *
 * @throws CgroupError `CGROUP_INVALID` also for a limit that systemd has no word for in a slice: `cpu.burst`,
 *   `memory.oomGroup`, `hugetlb`, `misc`, `raw`.
 * @see systemd.resource-control(5)
 */
export function renderProperties(limits: Limits): readonly string[] {
  return settingsOf(limits).flatMap((setting) => renderProperty(setting, limits))
}

function renderProperty(setting: Setting, limits: Limits): readonly string[] {
  const { file, item, value } = setting
  if (file === 'cpu.idle')
    return value === true ? ['CPUWeight=idle'] : limits.cpu?.weight === undefined ? ['CPUWeight=100'] : []
  if (file === 'io.max') {
    const [device = '', key = ''] = (item ?? '').split(' ')
    return [`${deviceProperties[key]}=/dev/block/${device} ${infinite(value)}`]
  }
  const property = fields.find(([, , name]) => name === file)?.[4]
  if (property === undefined) {
    const detail = 'systemd has no property for it in a slice; the direct driver writes it'
    throw new CgroupError('CGROUP_INVALID', {
      operation: 'use the limit',
      target: nameOf(setting),
      value: String(value),
      detail,
    })
  }
  // CPUQuota alone knows no `infinity`; empty takes it back.
  if (property === 'CPUQuota') return [value === 'max' ? 'CPUQuota=' : `CPUQuota=${Math.round(Number(value) * 100)}%`]
  return [`${property}=${infinite(value)}`]
}

function infinite(value: Setting['value']): string {
  return value === 'max' ? 'infinity' : String(value)
}

import { CgroupError } from '../errors.ts'
import { parseNumbers, renderNumbers } from '../formats.ts'
import type { DeviceLimits, Limits } from './limits.ts'

export type Kind = 'bytes' | 'cores' | 'count' | 'flag' | 'microseconds' | 'numbers' | 'text' | 'weight'
/** A number, a text (`max` among them), or yes and no. */
export type Value = number | boolean | string

/** One limit on its own: where it stands in the kernel, and what. All that is planned, written and compared is made of these. */
export interface Setting {
  /** The kernel's file. */
  readonly file: string
  /** The line and key in a file that has several: `254:0 rbps`, `sev`. */
  readonly item?: string
  readonly kind: Kind
  readonly value: Value
}

/** What every limit is called here, in the kernel and in systemd. In the order in which they are written. */
export const fields = [
  ['cpuset', 'cpus', 'cpuset.cpus', 'numbers', 'AllowedCPUs'],
  ['cpuset', 'mems', 'cpuset.mems', 'numbers', 'AllowedMemoryNodes'],
  ['cpu', 'idle', 'cpu.idle', 'flag', undefined],
  ['cpu', 'weight', 'cpu.weight', 'weight', 'CPUWeight'],
  ['cpu', 'max', 'cpu.max', 'cores', 'CPUQuota'],
  ['cpu', 'burst', 'cpu.max.burst', 'microseconds', undefined],
  ['memory', 'min', 'memory.min', 'bytes', 'MemoryMin'],
  ['memory', 'low', 'memory.low', 'bytes', 'MemoryLow'],
  // high before max: a group that shrinks is slowed down before it is killed.
  ['memory', 'high', 'memory.high', 'bytes', 'MemoryHigh'],
  ['memory', 'max', 'memory.max', 'bytes', 'MemoryMax'],
  ['memory', 'swapMax', 'memory.swap.max', 'bytes', 'MemorySwapMax'],
  ['memory', 'zswapMax', 'memory.zswap.max', 'bytes', 'MemoryZSwapMax'],
  ['memory', 'oomGroup', 'memory.oom.group', 'flag', undefined],
  ['pids', 'max', 'pids.max', 'count', 'TasksMax'],
  ['io', 'weight', 'io.weight', 'weight', 'IOWeight'],
] as const

export const deviceKeys = ['rbps', 'wbps', 'riops', 'wiops'] as const

/**
 * Takes limits apart and checks each, rounded as the kernel and systemd round. Devices must be numbers by now (`8:0`).
 *
 * @throws CgroupError `CGROUP_INVALID` naming the first that cannot be.
 */
export function settingsOf(limits: Limits): readonly Setting[] {
  assertShape(limits)
  const settings: Setting[] = fields.flatMap(([controller, key, file, kind]) => {
    const value = (limits[controller] as Readonly<Record<string, Value | undefined>> | undefined)?.[key]
    return value === undefined ? [] : [{ file, kind, value: checked(`${controller}.${key}`, kind, value) }]
  })
  if (limits.cpu?.idle === true && limits.cpu.weight !== undefined) {
    refuse('cpu.weight', String(limits.cpu.weight), 'what is idle has no weight')
  }
  const { high, max } = limits.memory ?? {}
  if (typeof max === 'number' && high !== undefined && high !== 'max' && high > max) {
    refuse('memory.high', String(high), `it is above memory.max (${max}) and would never be reached`)
  }
  return [
    ...settings,
    ...(limits.io?.max ?? []).flatMap(deviceSettings),
    ...Object.entries(limits.hugetlb ?? {}).map(([size, value]): Setting => {
      if (!/^\d{1,4}[KMG]B(\.rsvd)?$/.test(size)) refuse('hugetlb', size, 'a size is like 2MB')
      return { file: `hugetlb.${size}.max`, kind: 'bytes', value: checked(`hugetlb.${size}`, 'bytes', value) }
    }),
    ...Object.entries(limits.misc ?? {}).map(([name, value]): Setting => {
      if (!/^[a-z][a-z0-9_]{0,63}$/.test(name)) refuse('misc', name, 'it is no name of a resource')
      return { file: 'misc.max', item: name, kind: 'count', value: checked(`misc.${name}`, 'microseconds', value) }
    }),
    ...Object.entries(limits.raw ?? {}).map(([file, text]): Setting => {
      if (!/^[a-z]+(\.[A-Za-z0-9_]+){1,5}$/.test(file) || file.startsWith('cgroup.'))
        refuse('raw', file, 'it is no file of a controller')
      if (/\0|\n/.test(text) || text === '') refuse(file, text, 'a value is one line')
      return { file, kind: 'text', value: text }
    }),
  ]
}

/** One name for a setting, for messages and for comparing. */
export function nameOf({ file, item }: Setting): string {
  return item === undefined ? file : `${file} ${item}`
}

function deviceSettings(limits: DeviceLimits): readonly Setting[] {
  if (!/^\d{1,7}:\d{1,7}$/.test(limits.device)) refuse('io.max', limits.device, 'the device is not resolved')
  return deviceKeys.flatMap((key) => {
    const value = limits[key]
    if (value === undefined) return []
    // The kernel takes 0 for io.max as an error, as the group could do nothing at all.
    return [
      {
        file: 'io.max',
        item: `${limits.device} ${key}`,
        kind: 'count',
        value: checked(`io.max.${key}`, 'count', value),
      },
    ]
  })
}

const words: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(
    fields.map(([controller]) => [controller, fields.flatMap(([other, key]) => (other === controller ? [key] : []))]),
  ),
  io: ['weight', 'max'],
}

/** A misspelt limit would be no limit at all. */
/**
 * Refuses what has not the shape of limits, as a row of somebody else's may: a controller that is no object would otherwise be
 * one without limits.
 *
 * @throws CgroupError `CGROUP_INVALID`
 */
export function assertShape(limits: Limits): void {
  for (const [controller, keys] of Object.entries(limits) as [string, unknown][]) {
    if (keys !== undefined && !isRecord(keys)) refuse(controller, JSON.stringify(keys), 'it is an object of limits')
    const known = words[controller]
    if (known === undefined && !['hugetlb', 'misc', 'raw'].includes(controller))
      refuse(controller, '', 'there is no such controller')
    for (const key of Object.keys(keys ?? {})) {
      if (known?.includes(key) === false) refuse(`${controller}.${key}`, '', 'there is no such limit')
    }
  }
  const devices: unknown = limits.io?.max
  const whole = (one: unknown) => isRecord(one) && typeof one['device'] === 'string'
  if (devices !== undefined && !(Array.isArray(devices) && devices.every(whole))) {
    refuse('io.max', JSON.stringify(devices), 'it is a list of objects, each with a device')
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checked(name: string, kind: Kind, value: Value): Value {
  if (kind === 'flag') return typeof value === 'boolean' ? value : refuse(name, String(value), 'it is true or false')
  if (kind === 'numbers') return checkedNumbers(name, value)
  if (kind === 'weight') return checkedWeight(name, value)
  if (value === 'max')
    return kind === 'microseconds' && !name.startsWith('misc') ? refuse(name, 'max', 'it is a number') : 'max'
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    return refuse(name, String(value), 'a limit is a number from 0, or max')
  }
  if (kind === 'cores') return checkedCores(name, value)
  if (!Number.isSafeInteger(value)) return refuse(name, String(value), 'it is a whole number')
  if (kind === 'count' && value < 1) return refuse(name, String(value), 'it is at least 1')
  return value
}

function checkedNumbers(name: string, value: Value): string {
  const numbers = typeof value === 'string' ? parseNumbers(value) : undefined
  if (numbers === undefined || numbers.length === 0) return refuse(name, String(value), 'a list is like 0-2,5')
  return renderNumbers(numbers)
}

function checkedWeight(name: string, value: Value): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 10_000) return value
  return refuse(name, String(value), 'a weight is a whole number from 1 to 10000')
}

/** systemd knows percent of a core and rounds up; the kernel takes no less than 1 ms of 100. */
function checkedCores(name: string, value: number): number {
  if (value <= 0 || value > 10_000) return refuse(name, String(value), 'cores are above 0 and at most 10000')
  return Math.ceil(Number((value * 100).toFixed(6))) / 100
}

function refuse(target: string, value: string, detail: string): never {
  throw new CgroupError('CGROUP_INVALID', {
    operation: 'use the limit',
    target,
    ...(value === '' ? {} : { value }),
    detail,
  })
}

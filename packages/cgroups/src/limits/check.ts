import { faultOfValue, type LimitValue } from './kinds.ts'
import type { DeviceLimits, Limits } from './limits.ts'
import { deviceRows, hugetlbRow, miscRow, plainRows, rawRow, type LimitRow } from './table.ts'

/** A single limit. Limits are split into settings to plan, write and compare them. */
export interface Setting {
  readonly row: LimitRow
  /** The line and key in a file that has several: `254:0 rbps`, `sev`. */
  readonly item?: string
  readonly value: LimitValue
}

/** An invalid limit and the reason. */
export interface LimitFault {
  /** The limit: `memory.max`. */
  readonly name: string
  /** The invalid value, as text. Absent when the name is invalid. */
  readonly value?: string
  readonly detail: string
}

/** Limits, split and checked. */
export interface CheckedLimits {
  /** The valid settings, rounded as the kernel and systemd round, in the order in which they are written. */
  readonly settings: readonly Setting[]
  readonly faults: readonly LimitFault[]
}

/** Keys of `Limits` whose own keys depend on the machine. */
const openControllers: readonly string[] = ['hugetlb', 'misc', 'raw']

const knownKeys: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  ['cpu', 'cpuset', 'memory', 'pids', 'io'].map((controller) => [
    controller,
    new Set([...plainRows, ...deviceRows].flatMap(({ path: [of, key = ''] }) => (of === controller ? [key] : []))),
  ]),
)

/**
 * Returns why limits are invalid, or an empty list when they are valid. Accepts any value, such as one from a database. Pure.
 *
 * Devices must be numbers (`8:0`). A limit without a systemd property is valid.
 */
export function faultsOf(limits: unknown): readonly LimitFault[] {
  return checkLimits(limits).faults
}

/** Splits limits into settings and checks each. Devices must be numbers (`8:0`). Pure. */
export function checkLimits(limits: unknown): CheckedLimits {
  const shape = faultsOfShape(limits)
  if (shape.length > 0) return { settings: [], faults: shape }
  const given = limits as Limits
  const parts = [
    ...plainRows.map((row) => part(row, valueAt(given, row.path))),
    ...faultsTogether(given).map(faulty),
    ...(given.io?.max ?? []).flatMap(deviceParts),
    ...Object.entries(given.hugetlb ?? {}).map(([size, value]) =>
      /^\d{1,4}[KMG]B(\.rsvd)?$/.test(size)
        ? part(hugetlbRow(size), value)
        : faulty({ name: 'hugetlb', value: size, detail: 'a page size must have a form such as 2MB' }),
    ),
    ...Object.entries(given.misc ?? {}).map(([resource, value]) =>
      /^[a-z][a-z0-9_]{0,63}$/.test(resource)
        ? part(miscRow(resource), value, resource)
        : faulty({
            name: 'misc',
            value: resource,
            detail: 'a resource name must begin with a letter and have only a-z, 0-9 and _',
          }),
    ),
    ...Object.entries(given.raw ?? {}).map(([file, text]) => rawPart(file, text)),
  ]
  return {
    settings: parts.flatMap(({ setting }) => (setting === undefined ? [] : [setting])),
    faults: parts.flatMap(({ fault }) => (fault === undefined ? [] : [fault])),
  }
}

/** Returns the name of a setting for messages and for comparing: `memory.max`, `io.max 8:0 rbps`. */
export function nameOf({ row: { file }, item }: Setting): string {
  return item === undefined ? file : `${file} ${item}`
}

/** Returns the value at a path of keys in limits. */
export function valueAt(limits: Limits, path: readonly string[]): LimitValue | undefined {
  const [controller, key = ''] = path
  return (limits[controller as 'cpu'] as Readonly<Record<string, LimitValue | undefined>> | undefined)?.[key]
}

/** Returns why a value does not have the shape of limits. Without this check, a controller that is not an object would have no limits. */
export function faultsOfShape(limits: unknown): readonly LimitFault[] {
  if (!isRecord(limits)) return [{ name: 'limits', value: shown(limits), detail: 'must be an object' }]
  return [
    ...Object.entries(limits).flatMap(([controller, keys]) => faultsOfController(controller, keys)),
    ...faultsOfDevices(limits['io']),
  ]
}

function faultsOfController(controller: string, keys: unknown): readonly LimitFault[] {
  const known = knownKeys.get(controller)
  if (known === undefined && !openControllers.includes(controller)) {
    return [{ name: controller, detail: 'unknown controller' }]
  }
  if (keys === undefined) return []
  if (!isRecord(keys)) return [{ name: controller, value: shown(keys), detail: 'must be an object of limits' }]
  return Object.keys(keys).flatMap((key) =>
    known === undefined || known.has(key) ? [] : [{ name: `${controller}.${key}`, detail: 'unknown limit' }],
  )
}

function faultsOfDevices(io: unknown): readonly LimitFault[] {
  const devices = isRecord(io) ? io['max'] : undefined
  if (devices === undefined) return []
  if (!Array.isArray(devices) || !devices.every((one) => isRecord(one) && typeof one['device'] === 'string')) {
    return [{ name: 'io.max', value: shown(devices), detail: 'must be a list of objects, each with a device' }]
  }
  const known = ['device', ...deviceRows.map(({ path }) => path[2])]
  return (devices as readonly Readonly<Record<string, unknown>>[]).flatMap((one) =>
    Object.keys(one).flatMap((key) =>
      known.includes(key) ? [] : [{ name: `io.max.${key}`, detail: 'unknown limit' }],
    ),
  )
}

/** Returns the faults of limits that are valid alone and invalid together. */
function faultsTogether({ cpu, memory: { high, max } = {} }: Limits): readonly LimitFault[] {
  const faults: LimitFault[] = []
  if (cpu?.idle === true && cpu.weight !== undefined) {
    faults.push({
      name: 'cpu.weight',
      value: String(cpu.weight),
      detail: 'a group with cpu.idle cannot have a weight; remove one of them',
    })
  }
  if (typeof max === 'number' && typeof high === 'number' && high > max) {
    faults.push({
      name: 'memory.high',
      value: String(high),
      detail: `it is above memory.max (${max}) and would never be reached`,
    })
  }
  return faults
}

interface Part {
  readonly setting?: Setting
  readonly fault?: LimitFault
}

function faulty(fault: LimitFault): Part {
  return { fault }
}

function part(row: LimitRow, value: LimitValue | undefined, item?: string): Part {
  if (value === undefined) return {}
  const detail = faultOfValue(row, value)
  if (detail !== undefined) return faulty({ name: row.path.join('.'), value: shown(value), detail })
  return { setting: { row, value: row.round(value), ...(item === undefined ? {} : { item }) } }
}

function deviceParts(limits: DeviceLimits): readonly Part[] {
  if (!/^\d{1,7}:\d{1,7}$/.test(limits.device)) {
    return [faulty({ name: 'io.max', value: limits.device, detail: 'the device must be two numbers such as 8:0' })]
  }
  return deviceRows.map((row) => part(row, limits[row.path[2]], `${limits.device} ${row.path[2]}`))
}

function rawPart(file: string, text: unknown): Part {
  if (!/^[a-z]+(\.[A-Za-z0-9_]+){1,5}$/.test(file) || file.startsWith('cgroup.')) {
    return faulty({ name: 'raw', value: file, detail: 'it is not a file of a controller' })
  }
  if (typeof text !== 'string' || /\0|\n/.test(text) || text === '') {
    return faulty({ name: file, value: shown(text), detail: 'the value must be one line of text' })
  }
  return { setting: { row: rawRow(file), value: text } }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}

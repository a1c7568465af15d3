import { faultOfValue, type LimitValue } from './kinds.ts'
import type { DeviceLimits, Limits } from './limits.ts'
import { deviceRows, hugetlbRow, miscRow, plainRows, rawRow, type LimitRow } from './table.ts'

/** One limit on its own. All that is planned, written and compared is made of these. */
export interface Setting {
  readonly row: LimitRow
  /** The line and key in a file that has several: `254:0 rbps`, `sev`. */
  readonly item?: string
  readonly value: LimitValue
}

/** Why a limit is invalid. */
export interface LimitFault {
  /** The limit: `memory.max`. */
  readonly name: string
  /** The offending value, as text. Absent: the name is at fault. */
  readonly value?: string
  readonly detail: string
}

/** Limits taken apart. */
export interface CheckedLimits {
  /** The valid ones, rounded as the kernel and systemd round, in the order in which they are written. */
  readonly settings: readonly Setting[]
  readonly faults: readonly LimitFault[]
}

/** Keys of `Limits` whose own keys are names of the machine. */
const openControllers: readonly string[] = ['hugetlb', 'misc', 'raw']

const knownKeys: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  ['cpu', 'cpuset', 'memory', 'pids', 'io'].map((controller) => [
    controller,
    new Set([...plainRows, ...deviceRows].flatMap(({ path: [of, key = ''] }) => (of === controller ? [key] : []))),
  ]),
)

/**
 * Returns why limits are invalid; empty when they are not. Pure, and takes any value: a row of a database may hold anything.
 *
 * Devices must be numbers (`8:0`). What systemd has no property for is no fault.
 */
export function faultsOf(limits: unknown): readonly LimitFault[] {
  return checkLimits(limits).faults
}

/** Takes limits apart and checks each. Pure. Devices must be numbers (`8:0`). */
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
        : faulty({ name: 'hugetlb', value: size, detail: 'a page size is like 2MB' }),
    ),
    ...Object.entries(given.misc ?? {}).map(([resource, value]) =>
      /^[a-z][a-z0-9_]{0,63}$/.test(resource)
        ? part(miscRow(resource), value, resource)
        : faulty({ name: 'misc', value: resource, detail: 'it is no name of a resource' }),
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

/** Returns what stands at a path of keys in limits. */
export function valueAt(limits: Limits, path: readonly string[]): LimitValue | undefined {
  const [controller, key = ''] = path
  return (limits[controller as 'cpu'] as Readonly<Record<string, LimitValue | undefined>> | undefined)?.[key]
}

/** Returns why a value does not have the shape of limits. A controller that is no object would otherwise be one without limits. */
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
    return [{ name: controller, detail: 'it is no controller' }]
  }
  if (keys === undefined) return []
  if (!isRecord(keys)) return [{ name: controller, value: shown(keys), detail: 'must be an object of limits' }]
  return Object.keys(keys).flatMap((key) =>
    known === undefined || known.has(key) ? [] : [{ name: `${controller}.${key}`, detail: 'it is no limit' }],
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
      known.includes(key) ? [] : [{ name: `io.max.${key}`, detail: 'it is no limit' }],
    ),
  )
}

/** Limits that are valid each and invalid together. */
function faultsTogether({ cpu, memory: { high, max } = {} }: Limits): readonly LimitFault[] {
  const faults: LimitFault[] = []
  if (cpu?.idle === true && cpu.weight !== undefined) {
    faults.push({ name: 'cpu.weight', value: String(cpu.weight), detail: 'an idle group has no weight' })
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
    return [faulty({ name: 'io.max', value: limits.device, detail: 'the device is not resolved' })]
  }
  return deviceRows.map((row) => part(row, limits[row.path[2]], `${limits.device} ${row.path[2]}`))
}

function rawPart(file: string, text: unknown): Part {
  if (!/^[a-z]+(\.[A-Za-z0-9_]+){1,5}$/.test(file) || file.startsWith('cgroup.')) {
    return faulty({ name: 'raw', value: file, detail: 'it is no file of a controller' })
  }
  if (typeof text !== 'string' || /\0|\n/.test(text) || text === '') {
    return faulty({ name: file, value: shown(text), detail: 'a value is one line' })
  }
  return { setting: { row: rawRow(file), value: text } }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}

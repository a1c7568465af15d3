import { kinds, type LimitKind, type LimitKindName, type LimitSchema, type LimitValue } from './kinds.ts'
import type { DeviceLimits, Limits } from './limits.ts'

type PlainController = 'cpu' | 'cpuset' | 'memory' | 'pids'
type Names<Controller extends PlainController> = Controller extends unknown
  ? `${Controller}.${keyof NonNullable<Limits[Controller]> & string}`
  : never

/** The name of a limit: its keys in `Limits`, joined by dots. `io.max.rbps` is the key `rbps` of each entry of `io.max`. */
export type LimitName = Names<PlainController> | 'io.weight' | `io.max.${Exclude<keyof DeviceLimits, 'device'>}`

/** One limit: its names in this package, in the kernel and in systemd, its valid values, and how it is parsed and rendered. */
export interface LimitRow extends LimitKind {
  /** Its keys in `Limits`: `['memory', 'max']`. */
  readonly path: readonly string[]
  /** The kernel's file: `memory.max`. */
  readonly file: string
  readonly kind: LimitKindName
  /** The unit of a number: `bytes`. */
  readonly unit?: string
  /** The systemd property. Absent when systemd has none for a slice. Then only `openCgroups` can set the limit. */
  readonly property?: string
  /** The value in a new group. */
  readonly initial: LimitValue
}

type Columns = Pick<LimitRow, 'file' | 'kind' | 'initial'> &
  Partial<Pick<LimitRow, 'schema' | 'render' | 'unit' | 'property'>>

function row(path: readonly string[], { kind, ...columns }: Columns): LimitRow {
  return Object.freeze({ path, kind, ...kinds[kind], ...columns })
}

const list = { kind: 'numbers', initial: '' } as const
const weight = { kind: 'weight', initial: 100 } as const
const ceiling = { kind: 'bytes', unit: 'bytes', initial: 'max' } as const
const floor = { kind: 'bytes', unit: 'bytes', initial: 0 } as const
const bytesPerSecond = { file: 'io.max', kind: 'count', unit: 'bytes per second', initial: 'max' } as const
const operationsPerSecond = { file: 'io.max', kind: 'count', unit: 'operations per second', initial: 'max' } as const
/** PID_MAX_LIMIT of 64-bit kernels. */
const processes: LimitSchema = { type: 'integer', minimum: 1, maximum: 4_194_304 }

/** In the order in which limits are written. */
const columns: Readonly<Record<LimitName, Columns>> = {
  'cpuset.cpus': { file: 'cpuset.cpus', ...list, property: 'AllowedCPUs' },
  'cpuset.mems': { file: 'cpuset.mems', ...list, property: 'AllowedMemoryNodes' },
  // systemd has one property for both: `CPUWeight=idle`.
  'cpu.idle': { file: 'cpu.idle', kind: 'flag', initial: false, property: 'CPUWeight' },
  'cpu.weight': { file: 'cpu.weight', ...weight, property: 'CPUWeight' },
  'cpu.max': { file: 'cpu.max', kind: 'cores', unit: 'processors', initial: 'max', property: 'CPUQuota' },
  'cpu.burst': { file: 'cpu.max.burst', kind: 'microseconds', unit: 'microseconds', initial: 0 },
  'memory.min': { file: 'memory.min', ...floor, property: 'MemoryMin' },
  'memory.low': { file: 'memory.low', ...floor, property: 'MemoryLow' },
  // high before max, so that a shrinking group is slowed down before a process is killed.
  'memory.high': { file: 'memory.high', ...ceiling, property: 'MemoryHigh' },
  'memory.max': { file: 'memory.max', ...ceiling, property: 'MemoryMax' },
  'memory.swapMax': { file: 'memory.swap.max', ...ceiling, property: 'MemorySwapMax' },
  'memory.zswapMax': { file: 'memory.zswap.max', ...ceiling, property: 'MemoryZSwapMax' },
  'memory.oomGroup': { file: 'memory.oom.group', kind: 'flag', initial: false },
  'pids.max': {
    file: 'pids.max',
    kind: 'count',
    schema: processes,
    unit: 'processes and threads',
    initial: 'max',
    property: 'TasksMax',
  },
  'io.weight': { file: 'io.weight', ...weight, render: (value) => `default ${value}`, property: 'IOWeight' },
  'io.max.rbps': { ...bytesPerSecond, property: 'IOReadBandwidthMax' },
  'io.max.wbps': { ...bytesPerSecond, property: 'IOWriteBandwidthMax' },
  'io.max.riops': { ...operationsPerSecond, property: 'IOReadIOPSMax' },
  'io.max.wiops': { ...operationsPerSecond, property: 'IOWriteIOPSMax' },
}

/**
 * Every limit, in the order in which limits are written. The compiler requires a row for each key of `Limits` in `limits.ts`, so add a new
 * key there first.
 *
 * `hugetlb`, `misc` and `raw` have no rows, because their keys depend on the machine.
 *
 * @see cgroups(7), systemd.resource-control(5)
 */
export const limitTable: Readonly<Record<LimitName, LimitRow>> = Object.freeze(
  Object.fromEntries(Object.entries(columns).map(([name, one]) => [name, row(name.split('.'), one)])) as Record<
    LimitName,
    LimitRow
  >,
)

/** The rows of limits with a separate file. */
export const plainRows: readonly LimitRow[] = Object.values(limitTable).filter(({ file }) => file !== 'io.max')

/** The rows of `io.max`, a file with a line for each device. */
export const deviceRows: readonly (LimitRow & { readonly path: readonly ['io', 'max', DeviceKey] })[] = Object.values(
  limitTable,
).filter((one): one is (typeof deviceRows)[number] => one.file === 'io.max')

export type DeviceKey = Exclude<keyof DeviceLimits, 'device'>

/** Returns the row of `hugetlb.SIZE.max` for a size such as `2MB`. */
export function hugetlbRow(size: string): LimitRow {
  return row(['hugetlb', size], { file: `hugetlb.${size}.max`, ...ceiling })
}

/** Returns the row of the line of a resource in `misc.max`. */
export function miscRow(resource: string): LimitRow {
  return row(['misc', resource], { file: 'misc.max', kind: 'quantity', initial: 'max' })
}

/** Returns the row of a file that has no other row. */
export function rawRow(file: string): LimitRow {
  return row(['raw', file], { file, kind: 'text', initial: '' })
}

/** Returns limits with only this limit: `limitsWith('memory.max', 4096)` is `{ memory: { max: 4096 } }`. Pure. */
export function limitsWith(name: LimitName, value: LimitValue, device = '8:0'): Limits {
  const [controller = '', key = '', item] = limitTable[name].path
  return { [controller]: { [key]: item === undefined ? value : [{ device, [item]: value }] } }
}

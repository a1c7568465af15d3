import type { Host } from '@puppy/host'
import { parseCount, parseFlatKeyed, parseNestedKeyed } from '../formats.ts'
import { openCgroupfs, type Cgroupfs } from '../cgroupfs/cgroupfs.ts'
import { parentOf, parseCgroupPath, type CgroupPath } from '../path.ts'
import { parsePressure, type Pressure } from './pressure.ts'

/** A part of the usage that `readUsage` can read. */
export type UsagePart = 'cpu' | 'memory' | 'memoryStat' | 'pids' | 'io' | 'pressure'

/** Microseconds and counts since the group was created. */
export interface CpuUsage {
  readonly usageUsec: bigint
  readonly userUsec?: bigint
  readonly systemUsec?: bigint
  /** The number of periods of `cpu.max`, the number of periods in which the group was throttled, and the throttled time. */
  readonly nrPeriods?: bigint
  readonly nrThrottled?: bigint
  readonly throttledUsec?: bigint
}

/** How often a group reached its memory limits, including its descendants. */
export interface MemoryEvents {
  readonly low?: bigint
  readonly high?: bigint
  readonly max?: bigint
  readonly oom?: bigint
  /** The number of killed processes. */
  readonly oomKill?: bigint
  readonly oomGroupKill?: bigint
}

/** Memory usage, in bytes. */
export interface MemoryUsage {
  readonly current?: bigint
  readonly peak?: bigint
  readonly swapCurrent?: bigint
  readonly events?: MemoryEvents
  /** `memory.stat` by key: `anon`, `file`, … Only with the part `memoryStat`, which is many times slower to read than the rest. */
  readonly stat?: ReadonlyMap<string, bigint>
}

/** The number of processes and threads. */
export interface PidsUsage {
  readonly current?: bigint
  readonly peak?: bigint
  /** How often a fork was refused. */
  readonly refused?: bigint
}

/** Bytes and operations of one device. */
export interface DeviceUsage {
  readonly rbytes: bigint
  readonly wbytes: bigint
  readonly rios: bigint
  readonly wios: bigint
}

/** The usage of a group, now and since it was created. A value that the kernel does not report is absent, never 0. */
export interface Usage {
  readonly cpu?: CpuUsage
  readonly memory?: MemoryUsage
  readonly pids?: PidsUsage
  /** By device, `8:0`. */
  readonly io?: ReadonlyMap<string, DeviceUsage>
  readonly pressure?: { readonly cpu?: Pressure; readonly memory?: Pressure; readonly io?: Pressure }
}

/** Options of `readUsage`. */
export interface UsageOptions {
  /** The parts to read. Default: all except `memoryStat`. */
  readonly parts?: readonly UsagePart[]
  readonly mount?: string
  readonly cgroupfs?: Cgroupfs
}

export const allParts: readonly UsagePart[] = ['cpu', 'memory', 'pids', 'io', 'pressure']

/** Milliseconds of reading before other work can run. Files are read synchronously, because each takes only a few system calls. */
const turn = 10

/**
 * Reads the usage of groups, by path. The value is undefined for a group that does not exist. Needs no root.
 *
 * @throws CgroupError `CGROUP_INVALID` for an invalid path, `CGROUP_UNREADABLE`
 */
export async function readUsage(
  host: Host,
  paths: Iterable<string>,
  options: UsageOptions = {},
): Promise<ReadonlyMap<string, Usage | undefined>> {
  const cgroupfs = options.cgroupfs ?? openCgroupfs(host, options.mount)
  const parts = new Set(options.parts ?? allParts)
  const usages = new Map<string, Usage | undefined>()
  let until = performance.now() + turn
  const handedDown = new Map<CgroupPath, ReadonlySet<string>>()
  for (const text of paths) {
    const path = parseCgroupPath(text)
    usages.set(text, usageOf(cgroupfs, path, parts, controllersOf(cgroupfs, path, handedDown)))
    if (performance.now() < until) continue
    await new Promise((next) => setImmediate(next))
    until = performance.now() + turn
  }
  return usages
}

function usageOf(
  cgroupfs: Cgroupfs,
  path: CgroupPath,
  parts: ReadonlySet<UsagePart>,
  controllers: ReadonlySet<string> | undefined,
): Usage | undefined {
  const read = (file: string) => {
    const controller = ofControllers[file]
    const without = controller !== undefined && controllers?.has(controller) === false
    return without ? undefined : cgroupfs.read(path, file)
  }
  const usage = parseUsage(read, parts)
  for (const _some in usage) return usage
  return cgroupfs.exists(path) ? usage : undefined
}

/** Files that exist only with their controller. Every group has the other files, such as `cpu.stat` and those of pressure. */
const ofControllers: Readonly<Record<string, string>> = Object.fromEntries(
  ['memory.current', 'memory.peak', 'memory.swap.current', 'memory.events', 'memory.stat']
    .concat(['pids.current', 'pids.peak', 'pids.events', 'io.stat'])
    .map((file) => [file, file.slice(0, file.indexOf('.'))]),
)

/**
 * Returns the controllers that the parent of a group enables. Returns undefined when they cannot be read. They are read once for all
 * children, because trying to open a missing file costs several times as much as reading a file.
 */
function controllersOf(
  cgroupfs: Cgroupfs,
  path: CgroupPath,
  known: Map<CgroupPath, ReadonlySet<string>>,
): ReadonlySet<string> | undefined {
  if (path === '') return undefined
  const parent = parentOf(path)
  const before = known.get(parent)
  if (before !== undefined) return before
  const text = cgroupfs.read(parent, 'cgroup.subtree_control')
  if (text === undefined) return undefined
  const controllers = new Set(text.trim().split(' '))
  known.set(parent, controllers)
  return controllers
}

/** Parses the usage of a group from the texts of the kernel's files. Pure except for the calls of `read`. */
export function parseUsage(read: (file: string) => string | undefined, parts: ReadonlySet<UsagePart>): Usage {
  return present({
    cpu: parts.has('cpu') ? cpuOf(read) : undefined,
    memory: parts.has('memory') || parts.has('memoryStat') ? memoryOf(read, parts) : undefined,
    pids: parts.has('pids') ? pidsOf(read) : undefined,
    io: parts.has('io') ? ioOf(read('io.stat')) : undefined,
    pressure: parts.has('pressure') ? pressureOf(read) : undefined,
  })
}

type ReadFile = (file: string) => string | undefined

function cpuOf(read: ReadFile): CpuUsage | undefined {
  const stat = parseFlatKeyed(read('cpu.stat') ?? '')
  const usageUsec = stat.get('usage_usec')
  if (usageUsec === undefined) return undefined
  return present({
    usageUsec,
    userUsec: stat.get('user_usec'),
    systemUsec: stat.get('system_usec'),
    nrPeriods: stat.get('nr_periods'),
    nrThrottled: stat.get('nr_throttled'),
    throttledUsec: stat.get('throttled_usec'),
  }) as CpuUsage
}

function memoryOf(read: ReadFile, parts: ReadonlySet<UsagePart>): MemoryUsage | undefined {
  const plain = parts.has('memory')
  const stat = parts.has('memoryStat') ? parseFlatKeyed(read('memory.stat') ?? '') : undefined
  return orAbsent({
    current: plain ? countIn(read('memory.current')) : undefined,
    peak: plain ? countIn(read('memory.peak')) : undefined,
    swapCurrent: plain ? countIn(read('memory.swap.current')) : undefined,
    events: plain ? parseMemoryEvents(read('memory.events')) : undefined,
    stat: stat === undefined || stat.size === 0 ? undefined : stat,
  })
}

/** Parses the lines `low 0`, `high 0`, `max 3`, `oom 1`, `oom_kill 1`, `oom_group_kill 0`. */
export function parseMemoryEvents(text: string | undefined): MemoryEvents | undefined {
  const events = parseFlatKeyed(text ?? '')
  return orAbsent({
    low: events.get('low'),
    high: events.get('high'),
    max: events.get('max'),
    oom: events.get('oom'),
    oomKill: events.get('oom_kill'),
    oomGroupKill: events.get('oom_group_kill'),
  })
}

function pidsOf(read: ReadFile): PidsUsage | undefined {
  return orAbsent({
    current: countIn(read('pids.current')),
    peak: countIn(read('pids.peak')),
    refused: parseFlatKeyed(read('pids.events') ?? '').get('max'),
  })
}

/** Parses `254:0 rbytes=1953792 wbytes=0 rios=53 wios=0 dbytes=0 dios=0`. A device without any use yet has only its number in the line. */
function ioOf(text: string | undefined): Usage['io'] {
  if (text === undefined) return undefined
  const rows = [...parseNestedKeyed(text)].flatMap(([device, values]): [string, DeviceUsage][] => {
    const [rbytes, wbytes, rios, wios] = ['rbytes', 'wbytes', 'rios', 'wios'].map((key) =>
      parseCount(values.get(key) ?? ''),
    )
    if (rbytes === undefined || wbytes === undefined || rios === undefined || wios === undefined) return []
    return [[device, { rbytes, wbytes, rios, wios }]]
  })
  return new Map(rows)
}

function pressureOf(read: ReadFile): Usage['pressure'] {
  const of = (file: string) => {
    const text = read(file)
    return text === undefined ? undefined : parsePressure(text)
  }
  return orAbsent({ cpu: of('cpu.pressure'), memory: of('memory.pressure'), io: of('io.pressure') })
}

function countIn(text: string | undefined): bigint | undefined {
  return text === undefined ? undefined : parseCount(text)
}

type Present<T> = { readonly [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Omits keys that are undefined. */
function present<T extends object>(values: T): Present<T> {
  const some: Partial<T> = {}
  for (const key in values) if (values[key] !== undefined) some[key] = values[key]
  return some as Present<T>
}

function orAbsent<T extends object>(values: T): Present<T> | undefined {
  for (const key in values) if (values[key] !== undefined) return present(values)
  return undefined
}

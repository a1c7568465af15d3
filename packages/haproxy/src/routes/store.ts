import type { Host } from '@puppy/host'
import { HaproxyError, isHaproxyError } from '../errors.ts'
import { applyMap, readMap } from '../runtime/maps.ts'
import type { Runtime, RuntimeOptions } from '../runtime/socket.ts'
import type { ProxyFiles } from '../settings.ts'
import { parseMapFile, renderMapFile, soundRows } from './file.ts'
import { planRoutes, type RouteChange } from './plan.ts'
import {
  checkRoutes,
  routeRows,
  slotTarget,
  type ObservedRoutes,
  type PortRange,
  type RouteRows,
  type RouteTable,
} from './table.ts'

/** What became of one domain or one suspension. */
export interface RouteResult {
  /** The domain, or `slot/<n>`. */
  readonly target: string
  readonly ok: boolean
  readonly error?: HaproxyError
}

/** What applying a table did. */
export interface AppliedRoutes {
  readonly changes: readonly RouteChange[]
  /** One for every row that was wanted and every row that went. */
  readonly results: readonly RouteResult[]
  /** Whether a worker took the rows. When false they are on disk, and the next start reads them. */
  readonly running: boolean
}

export interface ApplyOptions {
  readonly signal?: AbortSignal
  /** What `readRoutes` said just before; it saves asking again. */
  readonly observed?: ObservedRoutes
}

/** What the routes need to be read and written. */
export interface RouteStore {
  readonly host: Host
  readonly files: ProxyFiles
  readonly runtime: Runtime
  readonly range: PortRange
}

/** The maps by the names that the configuration and the runtime socket know them by. Suspensions go first. */
const maps = [
  ['suspended', 'suspended.map'],
  ['hosts', 'hosts.map'],
] as const

/** Reads both maps from disk and, when it runs, from the worker. @throws HaproxyError as `Runtime.send` */
export async function readRoutes(store: RouteStore, options: RuntimeOptions = {}): Promise<ObservedRoutes> {
  const disk = await readDisk(store)
  const running = await readRunning(store, options)
  return { disk, ...(running === undefined ? {} : { running }) }
}

async function readDisk({ host, files }: RouteStore): Promise<RouteRows> {
  const [hosts, suspended] = await Promise.all([host.read(files.hosts), host.read(files.suspended)])
  return { hosts: parseMapFile(hosts ?? ''), suspended: parseMapFile(suspended ?? '') }
}

async function readRunning({ runtime }: RouteStore, options: RuntimeOptions): Promise<RouteRows | undefined> {
  try {
    const hosts = await readMap(runtime, 'hosts.map', options)
    return { hosts, suspended: await readMap(runtime, 'suspended.map', options) }
  } catch (error) {
    if (isHaproxyError(error, 'HAPROXY_NOT_RUNNING')) return undefined
    throw error
  }
}

/**
 * Makes both maps hold this table: disk first, then the worker, then both are read back.
 *
 * A row that cannot be applied has its own result and leaves what stands under its name as it is; a killed process
 * leaves the disk ahead of the worker at most, which the next call sees.
 *
 * @throws HaproxyError as `applyMap`; HostError when a file cannot be written.
 */
export async function applyRoutes(
  store: RouteStore,
  wanted: RouteTable,
  options: ApplyOptions = {},
): Promise<AppliedRoutes> {
  const { table, refused } = checkRoutes(wanted, store.range)
  const observed = options.observed ?? (await readRoutes(store, options))
  const kept = keepRefused(table, observed, new Set(refused.map(({ target }) => target)))
  const changes = planRoutes(kept, observed)
  if (changes.length > 0) await writeRoutes(store, routeRows(kept), observed, options)
  const after = changes.length > 0 ? await readRoutes(store, options) : observed
  return {
    changes,
    results: [
      ...judge(wantedTargets(table), changes, planRoutes(kept, after)),
      ...refused.map(({ target, error }) => ({ target, ok: false, error })),
    ],
    running: after.running !== undefined,
  }
}

/** What stands on disk under a refused name stays. */
function keepRefused(table: RouteTable, { disk }: ObservedRoutes, refused: ReadonlySet<string>): RouteTable {
  const hosts = soundRows(disk.hosts).filter(({ key }) => refused.has(key))
  return {
    ...table,
    routes: [...table.routes, ...hosts.map(({ key, value }) => ({ domain: key, port: Number(value) }))],
  }
}

function wantedTargets(table: RouteTable): readonly string[] {
  return [...table.routes.map(({ domain }) => domain), ...table.suspended.map((slot) => slotTarget(slot))]
}

function judge(
  wanted: readonly string[],
  changes: readonly RouteChange[],
  left: readonly RouteChange[],
): readonly RouteResult[] {
  const wrong = new Map(left.map((change) => [change.target, change]))
  const targets = new Set([...wanted, ...changes.map(({ target }) => target)])
  return [...targets].map((target) => {
    const change = wrong.get(target)
    if (change === undefined) return { target, ok: true }
    const detail = `it is ${change.before ?? 'absent'} after it was set to ${change.after ?? 'absent'}`
    return {
      target,
      ok: false,
      error: new HaproxyError('HAPROXY_READBACK_DIFFERS', { operation: `route ${target}`, detail }),
    }
  })
}

async function writeRoutes(
  { host, files, runtime }: RouteStore,
  rows: RouteRows,
  observed: ObservedRoutes,
  options: RuntimeOptions,
): Promise<void> {
  for (const [name] of maps) await host.replace(files[name], renderMapFile(rows[name]), { mode: 0o600 })
  if (observed.running === undefined) return
  try {
    for (const [name, map] of maps) await applyMap(runtime, map, rows[name], observed.running[name], options)
  } catch (error) {
    // It ended meanwhile: the disk is right, and the next start reads it.
    if (!isHaproxyError(error, 'HAPROXY_NOT_RUNNING')) throw error
  }
}

/** Makes both map files exist and hold rows that HAProxy can load: one other row and it would not start. */
export async function ensureMapFiles({ host, files }: Pick<RouteStore, 'host' | 'files'>): Promise<void> {
  for (const [name] of maps) {
    const text = await host.read(files[name])
    const rows = parseMapFile(text ?? '')
    const sound = soundRows(rows)
    if (text === undefined || sound.length < rows.length) {
      await host.replace(files[name], renderMapFile(sound), { mode: 0o600 })
    }
  }
}

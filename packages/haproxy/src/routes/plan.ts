import type { Change, ChangeSet } from '@puppy/host'
import type { HaproxyError } from '../errors.ts'
import type { MapRow } from '../runtime/maps.ts'
import { isSoundKey, soundRows, type MapName } from './map-file.ts'
import type { ObservedRoutes } from './read.ts'
import {
  createScope,
  partitionRoutes,
  routeRows,
  slotTarget,
  type RefusedRoute,
  type RouteRows,
  type RouteSpec,
  type RouteTable,
} from './spec.ts'

/** One changed row of a map, on disk and in the running worker. `target` is a domain, or `slot/<n>` for a suspension. */
export interface RouteChange extends Change {
  readonly facility: 'haproxy'
  readonly action: 'add' | 'set' | 'remove'
  readonly map: MapName
  readonly key: string
}

/** The differences between both maps and a spec. */
export interface RouteChangeSet extends ChangeSet<RouteChange, HaproxyError> {
  readonly refused: readonly RefusedRoute[]
  /** The targets of the spec that are not refused. */
  readonly targets: readonly string[]
  readonly spec: RouteSpec
  readonly observed: ObservedRoutes
}

/**
 * Plans the changed rows of both maps, ordered by target. Pure.
 *
 * A row whose key cannot be in a map is removed, also outside `only`: no program needs it, and a reload or start could fail with it. A
 * row that is right on disk and wrong in the running worker is a change, and the other way round. `before` is the value in the worker
 * when that one is wrong, otherwise the value on disk. The row on disk that has the target of a refused row does not change.
 */
export function planRoutes(spec: RouteSpec, observed: ObservedRoutes): RouteChangeSet {
  const { table, refused } = partitionRoutes(spec)
  const rows = routeRows(keepRefused(table, refused, observed))
  const places = [observed.disk, ...(observed.running === undefined ? [] : [observed.running])]
  const scope = createScope(spec.only)
  const changes = [...planRows(rows, places, 'suspended'), ...planRows(rows, places, 'hosts')]
  const ours = ({ target, map, key }: RouteChange) => scope(target) || !isSoundKey(map, key)
  return { changes: changes.filter((change) => ours(change)), refused, targets: targetsOf(table), spec, observed }
}

function targetsOf({ routes, suspended }: RouteTable): readonly string[] {
  return [...routes.map(({ domain }) => domain), ...suspended.map((slot) => slotTarget(slot))]
}

function keepRefused(table: RouteTable, refused: readonly RefusedRoute[], { disk }: ObservedRoutes): RouteTable {
  const names = new Set(refused.map(({ target }) => target))
  const hosts = soundRows('hosts', disk.hosts).filter(({ key }) => names.has(key))
  return {
    ...table,
    routes: [...table.routes, ...hosts.map(({ key, value }) => ({ domain: key, port: Number(value) }))],
  }
}

function planRows(spec: RouteRows, places: readonly RouteRows[], map: MapName): readonly RouteChange[] {
  const after = valuesByKey(spec[map])
  const seen = places.map((place) => valuesByKey(place[map]))
  const keys = new Set([...after.keys(), ...seen.flatMap((values) => [...values.keys()])])
  return [...keys].toSorted().flatMap((key) =>
    planRow(
      map,
      key,
      after.get(key),
      seen.map((values) => values.get(key)),
    ),
  )
}

/** `seen` holds the value on disk and, when a worker runs, the value in the worker. */
function planRow(
  map: MapName,
  key: string,
  after: string | undefined,
  seen: readonly (string | undefined)[],
): readonly RouteChange[] {
  const wrong = seen.filter((value) => value !== after)
  if (wrong.length === 0) return []
  const before = wrong.findLast((value) => value !== undefined)
  return [
    {
      facility: 'haproxy',
      target: map === 'hosts' ? key : slotTarget(key),
      action: after === undefined ? 'remove' : before === undefined ? 'add' : 'set',
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
      map,
      key,
    },
  ]
}

/** A key that occurs twice has both values as one text, so it never equals the spec. */
function valuesByKey(rows: readonly MapRow[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const { key, value } of rows) values.set(key, values.has(key) ? `${values.get(key)} and ${value}` : value)
  return values
}

/** Returns the rows after the changes of one map. Afterwards the key of a change occurs once, or not at all when it was removed. Pure. */
export function changeRows(rows: readonly MapRow[], changes: readonly RouteChange[], map: MapName): readonly MapRow[] {
  const values = new Map(changes.flatMap((change) => (change.map === map ? [[change.key, change.after] as const] : [])))
  const kept = rows.filter(({ key }) => !values.has(key))
  return [...kept, ...[...values].flatMap(([key, value]) => (value === undefined ? [] : [{ key, value }]))]
}

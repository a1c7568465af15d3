import type { MapRow } from './file.ts'
import { routeRows, type ObservedRoutes, type RouteRows, type RouteTable } from './table.ts'

/** One difference between what is wanted and what is, as a person reads it. */
export interface RouteChange {
  readonly facility: 'haproxy'
  /** A domain, `slot/<n>` for a suspension, a file, or `process`. */
  readonly target: string
  readonly action: 'add' | 'set' | 'remove'
  readonly before?: string
  readonly after?: string
}

/**
 * Plans the changes of both maps, in the order of their targets. Pure.
 *
 * Disk and running worker both count: a row that is right on disk and wrong in the worker is a change. `before` is what
 * the worker says where it differs, otherwise what the disk says. The table is taken as it is; `checkRoutes` first.
 */
export function planRoutes(wanted: RouteTable, observed: ObservedRoutes): readonly RouteChange[] {
  const rows = routeRows(wanted)
  const places = [observed.disk, ...(observed.running === undefined ? [] : [observed.running])]
  return [
    ...planRows(rows, places, 'suspended').map((change) => ({ ...change, target: `slot/${change.target}` })),
    ...planRows(rows, places, 'hosts'),
  ]
}

function planRows(wanted: RouteRows, places: readonly RouteRows[], name: keyof RouteRows): readonly RouteChange[] {
  const after = valuesByKey(wanted[name])
  const seen = places.map((place) => valuesByKey(place[name]))
  const keys = new Set([...after.keys(), ...seen.flatMap((values) => [...values.keys()])])
  return [...keys].toSorted().flatMap((key) =>
    planRow(
      key,
      after.get(key),
      seen.map((values) => values.get(key)),
    ),
  )
}

/** `seen` is the disk's value and, where it runs, the worker's. */
function planRow(
  key: string,
  after: string | undefined,
  seen: readonly (string | undefined)[],
): readonly RouteChange[] {
  const wrong = seen.filter((value) => value !== after)
  if (wrong.length === 0) return []
  const before = wrong.findLast((value) => value !== undefined)
  const action = after === undefined ? 'remove' : before === undefined ? 'add' : 'set'
  return [
    {
      facility: 'haproxy',
      target: key,
      action,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    },
  ]
}

/** A key that stands there twice has no value that is right. */
function valuesByKey(rows: readonly MapRow[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const { key, value } of rows) values.set(key, values.has(key) ? `${values.get(key)} and ${value}` : value)
  return values
}

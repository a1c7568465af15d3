import type { Refused } from '@puppy/host'
import { hostNameFault } from '@puppy/host/host-name'
import { HaproxyError } from '../errors.ts'
import type { PortRange } from '../settings.ts'
import type { MapRow } from '../runtime/maps.ts'
import type { MapName } from './map-file.ts'

/** A domain and the port of 127.0.0.1 that serves it. */
export interface Route {
  readonly domain: string
  readonly port: number
}

/** The routes, and the slots that are suspended: HAProxy answers requests for them with 503. */
export interface RouteTable {
  readonly routes: readonly Route[]
  readonly suspended: readonly number[]
}

/** The routes of a host. */
export interface RouteSpec extends RouteTable, PortRange {
  /** The targets to compare and change: domains and `slot/<n>`. Absent: every row of both maps. */
  readonly only?: readonly string[]
}

/** The rows of both maps, on disk or in the running worker. */
export type RouteRows = Readonly<Record<MapName, readonly MapRow[]>>

/** A row of a spec that cannot be applied. Its `target` is the domain, or `slot/<n>` for a suspension. */
export type RefusedRoute = Refused<HaproxyError>

/** The rows of a spec that can be applied, and the refused rows with their reasons. */
interface PartitionedRoutes {
  readonly table: RouteTable
  readonly refused: readonly RefusedRoute[]
}

/** Returns the target of a slot: `slot/<n>`. It cannot equal a domain, because no domain contains a slash. */
export function slotTarget(slot: number | string): string {
  return `slot/${slot}`
}

/**
 * Partitions the rows of a spec into those that can be applied and those that cannot. Pure.
 *
 * Refuses a domain that is no plain host name, a port outside the tenants' range, all rows of a domain with two ports (which one is meant
 * is unknown), and a slot that does not exist. A row that occurs twice counts once. Rows outside `only` are left out.
 */
export function partitionRoutes({ routes, suspended, only, ...range }: RouteSpec): PartitionedRoutes {
  const scope = createScope(only)
  const ports = new Map<string, Set<number>>()
  for (const { domain, port } of routes) {
    if (scope(domain)) ports.set(domain, (ports.get(domain) ?? new Set()).add(port))
  }
  const sound: Route[] = []
  const refused: RefusedRoute[] = []
  for (const [domain, candidates] of ports) {
    const [port = 0] = candidates
    const fault = findRouteFault({ domain, port }, candidates.size, range)
    if (fault === undefined) sound.push({ domain, port })
    else refused.push(refuse(domain, fault))
  }
  const slots = [...new Set(suspended)].filter((slot) => scope(slotTarget(slot)))
  const isSlot = (slot: number) => Number.isSafeInteger(slot) && slot >= 0 && slot < range.slots
  for (const slot of slots)
    if (!isSlot(slot))
      refused.push(refuse(slotTarget(slot), `the slot does not exist; slots are 0 to ${range.slots - 1}`))
  return { table: { routes: sound, suspended: slots.filter(isSlot) }, refused }
}

/** Returns a function that returns whether a target is in scope. Pure. */
export function createScope(only: readonly string[] | undefined): (target: string) => boolean {
  if (only === undefined) return () => true
  const targets = new Set(only)
  return (target) => targets.has(target)
}

function findRouteFault({ domain, port }: Route, candidates: number, range: PortRange): string | undefined {
  const fault = hostNameFault(domain)
  if (fault !== undefined) return fault
  if (candidates > 1) return `the spec routes it to ${candidates} ports; keep one`
  const end = range.firstPort + range.slots * range.portsPerSlot
  if (Number.isSafeInteger(port) && port >= range.firstPort && port < end) return undefined
  return `port ${port} is outside the range of the tenants, ${range.firstPort} to ${end - 1}`
}

function refuse(target: string, detail: string): RefusedRoute {
  return { target, error: new HaproxyError('HAPROXY_ROUTE_INVALID', { operation: 'route', target, detail }) }
}

/** Returns the rows of both maps for a table. Pure. */
export function routeRows(table: RouteTable): RouteRows {
  return {
    hosts: table.routes.map(({ domain, port }) => ({ key: domain, value: String(port) })),
    suspended: table.suspended.map((slot) => ({ key: String(slot), value: '1' })),
  }
}

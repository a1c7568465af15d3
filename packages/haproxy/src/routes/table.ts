import { whyNoDomain } from '../domain.ts'
import { HaproxyError } from '../errors.ts'
import type { ProxySettings } from '../settings.ts'
import type { MapRow } from './file.ts'

/** A domain and the port of 127.0.0.1 that serves it. */
export interface Route {
  readonly domain: string
  readonly port: number
}

/** All that is wanted: which domain goes where, and which slots are answered 503. */
export interface RouteTable {
  readonly routes: readonly Route[]
  readonly suspended: readonly number[]
}

/** The rows of both maps, on disk or in the running worker. */
export interface RouteRows {
  readonly hosts: readonly MapRow[]
  readonly suspended: readonly MapRow[]
}

/** What the files say and what the running worker says; `running` is absent when there is none. */
export interface ObservedRoutes {
  readonly disk: RouteRows
  readonly running?: RouteRows
}

/** A row of a table that cannot be applied. */
export interface RefusedRoute {
  /** The domain, or `slot/<n>` for a suspension. */
  readonly target: string
  readonly error: HaproxyError
}

/** A table's sound rows, and the others with their reasons. */
export interface CheckedRoutes {
  readonly table: RouteTable
  readonly refused: readonly RefusedRoute[]
}

/** How a slot is named where a domain could stand: no domain holds a slash. */
export function slotTarget(slot: number): string {
  return `slot/${slot}`
}

/**
 * Sorts out the rows that cannot be applied. Pure.
 *
 * Refused are a domain that is no plain host name, a port outside the tenants' range, a domain with two ports (all of
 * its rows, since nobody can say which is meant) and a slot that does not exist. The same row twice is one row.
 */
export function checkRoutes(table: RouteTable, settings: PortRange): CheckedRoutes {
  const ports = new Map<string, Set<number>>()
  for (const { domain, port } of table.routes) ports.set(domain, (ports.get(domain) ?? new Set()).add(port))
  const routes: Route[] = []
  const refused: RefusedRoute[] = []
  for (const [domain, candidates] of ports) {
    const [port = 0] = candidates
    const why = whyNoRoute({ domain, port }, candidates.size, settings)
    if (why === undefined) routes.push({ domain, port })
    else refused.push(refuse(domain, why))
  }
  const slots = [...new Set(table.suspended)]
  const isSlot = (slot: number) => Number.isSafeInteger(slot) && slot >= 0 && slot < settings.slots
  for (const slot of slots) if (!isSlot(slot)) refused.push(refuse(slotTarget(slot), 'there is no such slot'))
  return { table: { routes, suspended: slots.filter(isSlot) }, refused }
}

/** The settings that say which ports are tenants'. */
export type PortRange = Pick<ProxySettings, 'firstPort' | 'portsPerSlot' | 'slots'>

function whyNoRoute({ domain, port }: Route, candidates: number, range: PortRange): string | undefined {
  const why = whyNoDomain(domain)
  if (why !== undefined) return why
  if (candidates > 1) return `it is wanted on ${candidates} ports`
  const end = range.firstPort + range.slots * range.portsPerSlot
  if (Number.isSafeInteger(port) && port >= range.firstPort && port < end) return undefined
  return `port ${port} is not one of ${range.firstPort} to ${end - 1}`
}

function refuse(target: string, detail: string): RefusedRoute {
  const facts = { operation: 'route', value: target, detail }
  return { target, error: new HaproxyError('HAPROXY_ROUTE_INVALID', facts) }
}

/** The rows of both maps that a sound table means. Pure. */
export function routeRows(table: RouteTable): RouteRows {
  return {
    hosts: table.routes.map(({ domain, port }) => ({ key: domain, value: String(port) })),
    suspended: table.suspended.map((slot) => ({ key: String(slot), value: '1' })),
  }
}

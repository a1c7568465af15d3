import { parseNetwork } from './address.ts'
import { FirewallError } from './errors.ts'

/** A tenant and its ports. No other user answers from them. */
export interface Slot {
  readonly uid: number
  readonly firstPort: number
  /** Inclusive. */
  readonly lastPort: number
}

/** A TCP port that only these users may answer from. */
export interface Guard {
  /** A name for people: letters, digits, `-`. */
  readonly name: string
  readonly port: number
  /** A socket belongs to the user that created it: root, when a process bound it before dropping root. */
  readonly uids: readonly number[]
}

/**
 * What a tenant may reach off loopback.
 *
 * - `default`: everything but `refusedPorts` over TCP.
 * - `open`: everything.
 * - `client`: TCP to 22, 53, 80, 443 and UDP to 53, 443.
 * - `local`: nothing.
 *
 * Cloud metadata stays refused in all of them.
 */
export type Egress = 'default' | 'open' | 'client' | 'local'

/** Whose ports are whose, who may reach them, and what tenants may reach. */
export interface FirewallSpec {
  /** Rules are for exactly these ports, not for others in between. */
  readonly slots: readonly Slot[]
  /** All uids that tenants have or will have, inclusive. Egress rules apply to them only. */
  readonly tenantUids: { readonly first: number; readonly last: number }
  /** The uids that may connect to every slot's ports: root and the proxy's user. */
  readonly callers: readonly number[]
  readonly guards?: readonly Guard[]
  /** Tenants whose policy is not `default`. */
  readonly egress?: readonly { readonly uid: number; readonly policy: Egress }[]
  /** TCP ports that `default` refuses off loopback. Default `[25]`. */
  readonly refusedPorts?: readonly number[]
  /** Addresses and prefixes that no tenant reaches, except for DNS. Default `metadataAddresses`. */
  readonly metadata?: readonly string[]
}

/** The addresses at which clouds hand out credentials of the machine, and all link-local addresses of IPv4. */
export const metadataAddresses: readonly string[] = Object.freeze([
  '169.254.0.0/16', // AWS, GCP, Azure, OpenStack, DigitalOcean, Hetzner, Oracle
  '168.63.129.16', // Azure's wire server, which is its DNS resolver too
  '100.100.100.200', // Alibaba
  '192.0.0.192', // Oracle, older
  'fd00:ec2::254', // AWS
  'fd20:ce::254', // GCP
  'fe80::a9fe:a9fe', // OpenStack
])

/** The ports that the policy `client` allows. */
export const clientPorts = Object.freeze({ tcp: [22, 53, 80, 443] as const, udp: [53, 443] as const })

const maxUid = 2 ** 32 - 2

/**
 * Checks a spec.
 *
 * @throws FirewallError `FIREWALL_INVALID` naming the first value that cannot work.
 */
export function assertSpec(spec: FirewallSpec): void {
  const { first, last } = spec.tenantUids
  assertUid('tenantUids', first)
  assertUid('tenantUids', last)
  if (first > last) refuse('tenantUids', `${first}-${last}`, 'the first is above the last')
  if (first === 0) refuse('tenantUids', `${first}-${last}`, 'root cannot be a tenant')
  for (const uid of spec.callers) assertUid('callers', uid)
  for (const port of spec.refusedPorts ?? []) assertPort('refusedPorts', port)
  for (const text of spec.metadata ?? []) parseNetwork(text)
  assertSlots(spec)
  assertGuards(spec)
  assertEgress(spec)
}

function assertSlots({ slots, tenantUids }: FirewallSpec): void {
  const uids = new Set<number>()
  for (const { uid, firstPort, lastPort } of slots) {
    assertUid('slots', uid)
    assertPort('slots', firstPort)
    assertPort('slots', lastPort)
    const value = `${uid} . ${firstPort}-${lastPort}`
    if (firstPort > lastPort) refuse('slots', value, 'the first port is above the last')
    if (uid < tenantUids.first || uid > tenantUids.last) refuse('slots', value, 'its uid is not in tenantUids')
    if (uids.has(uid)) refuse('slots', value, 'its uid has another slot')
    uids.add(uid)
  }
  const byPort = slots.toSorted((one, other) => one.firstPort - other.firstPort)
  for (const [index, slot] of byPort.entries()) {
    const next = byPort[index + 1]
    if (next !== undefined && next.firstPort <= slot.lastPort) {
      refuse('slots', `${next.uid} . ${next.firstPort}-${next.lastPort}`, `uid ${slot.uid} has these ports too`)
    }
  }
}

function assertGuards({ guards = [], slots }: FirewallSpec): void {
  const ports = new Set<number>()
  for (const { name, port, uids } of guards) {
    if (!/^[a-zA-Z0-9-]{1,32}$/.test(name)) refuse('guards', name, 'a name is 1 to 32 letters, digits or -')
    assertPort('guards', port)
    if (uids.length === 0) refuse('guards', name, 'no user could answer; name a uid or leave the guard out')
    for (const uid of uids) assertUid('guards', uid)
    if (ports.has(port)) refuse('guards', String(port), 'the port has another guard')
    ports.add(port)
    const slot = slots.find(({ firstPort, lastPort }) => firstPort <= port && port <= lastPort)
    if (slot !== undefined) refuse('guards', String(port), `it is a port of uid ${slot.uid}`)
  }
}

function assertEgress({ egress = [], tenantUids }: FirewallSpec): void {
  const uids = new Set<number>()
  for (const { uid, policy } of egress) {
    assertUid('egress', uid)
    if (uid < tenantUids.first || uid > tenantUids.last) refuse('egress', String(uid), 'it is not in tenantUids')
    if (uids.has(uid)) refuse('egress', String(uid), 'it has another policy')
    if (!['default', 'open', 'client', 'local'].includes(policy)) refuse('egress', policy, 'it is not a policy')
    uids.add(uid)
  }
}

function assertUid(setting: string, uid: number): void {
  if (!Number.isInteger(uid) || uid < 0 || uid > maxUid) refuse(setting, String(uid), `a uid is 0 to ${maxUid}`)
}

function assertPort(setting: string, port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) refuse(setting, String(port), 'a port is 1 to 65535')
}

function refuse(setting: string, value: string, detail: string): never {
  throw new FirewallError('FIREWALL_INVALID', { operation: 'use the setting', target: setting, value, detail })
}

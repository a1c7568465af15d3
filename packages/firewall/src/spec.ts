import { parseNetwork } from './address.ts'
import { FirewallError } from './errors.ts'

/** A tenant and its range of ports. Only sockets of this user can answer from these ports. */
export interface Slot {
  readonly uid: number
  readonly firstPort: number
  /** Inclusive. */
  readonly lastPort: number
}

/** A TCP port that only the listed users may answer from. */
export interface Guard {
  /** A label for messages: 1 to 32 letters, digits or `-`. */
  readonly name: string
  readonly port: number
  /**
   * The users that may answer. A socket belongs to the user that created it. A port that a process bound before it dropped root answers
   * as uid 0.
   */
  readonly uids: readonly number[]
}

/**
 * Which destinations outside loopback a tenant may reach.
 *
 * - `default`: everything except `refusedPorts` over TCP.
 * - `open`: everything.
 * - `client`: TCP to 22, 53, 80, 443 and UDP to 53, 443.
 * - `local`: nothing.
 *
 * Every policy refuses cloud metadata.
 */
export type Egress = 'default' | 'open' | 'client' | 'local'

/** The ports of every tenant, the users that may connect to them, and the destinations that tenants may reach. */
export interface FirewallSpec {
  /** The rules apply to exactly these ports. Ports between two slots are not affected. */
  readonly slots: readonly Slot[]
  /** The uids of present and future tenants, inclusive. Egress rules apply only to these uids. */
  readonly tenantUids: { readonly first: number; readonly last: number }
  /** The uids that may connect to the ports of every slot: root and the user of the proxy. */
  readonly callers: readonly number[]
  readonly guards?: readonly Guard[]
  /** Tenants whose policy is not `default`. */
  readonly egress?: readonly { readonly uid: number; readonly policy: Egress }[]
  /** TCP ports that the policy `default` refuses outside loopback. Default `[25]`. */
  readonly refusedPorts?: readonly number[]
  /** Addresses and prefixes that no tenant may reach, except on port 53 (DNS). Default `metadataAddresses`. */
  readonly metadata?: readonly string[]
}

/** The addresses at which clouds serve credentials of the machine, and all link-local addresses of IPv4. */
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
 * @throws FirewallError `FIREWALL_INVALID` with the first invalid value.
 */
export function assertSpec(spec: FirewallSpec): void {
  const { first, last } = spec.tenantUids
  assertUid('tenantUids', first)
  assertUid('tenantUids', last)
  if (first > last) refuse('tenantUids', `${first}-${last}`, 'the first uid is greater than the last uid')
  if (first === 0) {
    refuse('tenantUids', `${first}-${last}`, 'root cannot be a tenant; use a range that begins at uid 1 or higher')
  }
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
    if (firstPort > lastPort) refuse('slots', value, 'the first port is greater than the last port')
    if (uid < tenantUids.first || uid > tenantUids.last) {
      refuse('slots', value, 'the uid is outside the range tenantUids')
    }
    if (uids.has(uid)) refuse('slots', value, 'the uid already has a slot; list each uid once')
    uids.add(uid)
  }
  const byPort = slots.toSorted((one, other) => one.firstPort - other.firstPort)
  for (const [index, slot] of byPort.entries()) {
    const next = byPort[index + 1]
    if (next !== undefined && next.firstPort <= slot.lastPort) {
      refuse(
        'slots',
        `${next.uid} . ${next.firstPort}-${next.lastPort}`,
        `the range overlaps the slot of uid ${slot.uid}`,
      )
    }
  }
}

function assertGuards({ guards = [], slots }: FirewallSpec): void {
  const ports = new Set<number>()
  for (const { name, port, uids } of guards) {
    if (!/^[a-zA-Z0-9-]{1,32}$/.test(name)) refuse('guards', name, 'a name has 1 to 32 letters, digits or -')
    assertPort('guards', port)
    if (uids.length === 0) {
      refuse('guards', name, 'the guard lists no uid, so no user could answer; list a uid or remove the guard')
    }
    for (const uid of uids) assertUid('guards', uid)
    if (ports.has(port)) refuse('guards', String(port), 'the port already has a guard; list each port once')
    ports.add(port)
    const slot = slots.find(({ firstPort, lastPort }) => firstPort <= port && port <= lastPort)
    if (slot !== undefined) {
      refuse('guards', String(port), `the port belongs to the slot of uid ${slot.uid}; guard a port outside all slots`)
    }
  }
}

function assertEgress({ egress = [], tenantUids }: FirewallSpec): void {
  const uids = new Set<number>()
  for (const { uid, policy } of egress) {
    assertUid('egress', uid)
    if (uid < tenantUids.first || uid > tenantUids.last) {
      refuse('egress', String(uid), 'the uid is outside the range tenantUids')
    }
    if (uids.has(uid)) refuse('egress', String(uid), 'the uid already has a policy; list each uid once')
    if (!['default', 'open', 'client', 'local'].includes(policy)) {
      refuse('egress', policy, 'the policy is unknown; use default, open, client or local')
    }
    uids.add(uid)
  }
}

function assertUid(setting: string, uid: number): void {
  if (!Number.isInteger(uid) || uid < 0 || uid > maxUid) {
    refuse(setting, String(uid), `a uid is a whole number from 0 to ${maxUid}`)
  }
}

function assertPort(setting: string, port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    refuse(setting, String(port), 'a port is a whole number from 1 to 65535')
  }
}

function refuse(setting: string, value: string, detail: string): never {
  throw new FirewallError('FIREWALL_INVALID', { operation: 'use the setting', target: setting, value, detail })
}

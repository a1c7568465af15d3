import { parseNetwork, withoutNested, type Network } from '../address.ts'
import type { Chain, Datatype, Element, Json, NftSet, Rule, Table } from '../nft/table.ts'
import { assertSpec, clientPorts, metadataAddresses, type FirewallSpec, type Slot } from '../spec.ts'
import {
  accept,
  back,
  destinationPort,
  drop,
  fromInside,
  handshake,
  hasUid,
  is,
  isNot,
  judged,
  jump,
  one,
  opening,
  out,
  pair,
  payload,
  prohibited,
  range,
  reset,
  skuid,
  sourcePort,
  tcp,
  transport,
  udp,
} from './statements.ts'

/**
 * Returns the table that a spec describes. Pure.
 *
 * No rule is specific to one tenant: tenants are elements of sets. No rule uses connection tracking, for two reasons. The first answer of
 * a squatter belongs to an established connection and must be checked. Tenants could fill the table of connections, which would cut off
 * every user.
 *
 * Every chain about a uid ends with rules for packets without one. They refuse what opens a connection, and UDP. The kernel also sends
 * resets, and the last packets of sockets that their process has closed. Those have no uid either, and pass.
 *
 * @throws FirewallError `FIREWALL_INVALID`
 */
export function tableOf(name: string, spec: FirewallSpec): Table {
  assertSpec(spec)
  return { name, sets: setsOf(spec), chains: chainsOf(spec) }
}

function setsOf({ slots, callers, guards = [], egress = [], ...spec }: FirewallSpec): readonly NftSet[] {
  const networks = withoutNested((spec.metadata ?? metadataAddresses).map((text) => parseNetwork(text)))
  const ports = (slot: (typeof slots)[number]) => ({ range: [slot.firstPort, slot.lastPort] as const })
  const set = (setName: string, type: readonly Datatype[], elements: readonly Element[]): NftSet => ({
    name: setName,
    type,
    elements,
  })
  const uids = slots.map(({ uid }): Element => ({ key: [uid] }))
  const policies = egress.filter(({ policy }) => policy !== 'default')
  return [
    {
      ...set('slots', ['inet_service'], joined(slots)),
      interval: true,
    },
    {
      ...set(
        'own',
        ['uid', 'inet_service'],
        slots.map((slot) => ({ key: [slot.uid, ports(slot)] })),
      ),
      interval: true,
    },
    set(
      'callers',
      ['uid'],
      [...new Set(callers)].map((uid) => ({ key: [uid] })),
    ),
    set(
      'guarded',
      ['inet_service'],
      guards.map(({ port }) => ({ key: [port] })),
    ),
    set(
      'guards',
      ['uid', 'inet_service'],
      guards.flatMap(({ port, uids: allowed }) => [...new Set(allowed)].map((uid) => ({ key: [uid, port] }))),
    ),
    { ...set('metadata4', ['ipv4_addr'], elementsOf(networks, 'ipv4')), interval: true },
    { ...set('metadata6', ['ipv6_addr'], elementsOf(networks, 'ipv6')), interval: true },
    set(
      'refused',
      ['inet_service'],
      [...new Set(spec.refusedPorts ?? [25])].map((port) => ({ key: [port] })),
    ),
    {
      ...set(
        'egress',
        ['uid'],
        policies.map(({ uid, policy }) => ({ key: [uid], goto: policy })),
      ),
      verdicts: true,
    },
    { ...set('sent', ['uid'], uids), counter: true },
    { ...set('received', ['uid'], uids), counter: true },
  ]
}

/** Returns the port ranges of all slots and joins adjacent ranges. Every packet to or from a port near them is looked up in this set. */
function joined(slots: readonly Slot[]): readonly Element[] {
  const ranges: { first: number; last: number }[] = []
  for (const { firstPort, lastPort } of slots.toSorted((left, right) => left.firstPort - right.firstPort)) {
    const before = ranges.at(-1)
    if (before !== undefined && before.last + 1 === firstPort) before.last = lastPort
    else ranges.push({ first: firstPort, last: lastPort })
  }
  return ranges.map(({ first, last }) => ({ key: [{ range: [first, last] }] }))
}

function elementsOf(networks: readonly Network[], family: Network['family']): readonly Element[] {
  return networks
    .filter((network) => network.family === family)
    .map(({ address, length }) => ({
      key: [length === undefined ? address : { prefix: { addr: address, len: length } }],
    }))
}

/** Runs after other tables, so that a packet that they drop is not counted. A packet passes two chains of the table, not four. */
const priority = 200

function chainsOf(spec: FirewallSpec): readonly Chain[] {
  return [
    { name: 'output', base: { hook: 'output', priority }, rules: outputRules(spec) },
    { name: 'input', base: { hook: 'input', priority }, rules: inputRules(spec) },
    { name: 'answer', rules: answerRules },
    { name: 'reach', rules: reachRules },
    { name: 'guard', rules: guardRules },
    { name: 'tenant', rules: tenantRules },
    { name: 'metadata', rules: metadataRules },
    { name: 'unjudged', rules: unjudgedRules },
    { name: 'open', rules: [] },
    { name: 'client', rules: clientRules },
    { name: 'local', rules: [rule('egress-local-tcp', tcp, reset), rule('egress-local', prohibited)] },
  ]
}

function rule(name: string, ...statements: readonly Json[]): Rule {
  return { name, statements }
}

/**
 * Returns the expressions that match the port of a packet. The first is the narrowest range around all slots: two comparisons, which most
 * packets fail. The set of slots follows, unless the slots have no gaps.
 */
function inSlots({ slots }: FirewallSpec, port: Json): readonly [near: Json, more: readonly Json[]] | undefined {
  const [first, ...others] = joined(slots)
  if (first === undefined) return undefined
  const least = slots.reduce((lowest, slot) => Math.min(lowest, slot.firstPort), 65_535)
  const most = slots.reduce((highest, slot) => Math.max(highest, slot.lastPort), 0)
  return [is(port, range(least, most)), others.length === 0 ? [transport] : [transport, is(port, '@slots')]]
}

/**
 * Returns the rules for outgoing packets, ordered by cost: the rules for a request and its answer between the proxy and a tenant come
 * first.
 *
 * For TCP on loopback, only the handshake is checked. Without its SYN no connection exists. Without the SYN of the answer, a squatter has
 * no connection to answer on. Packets that leave the host are checked one by one.
 */
function outputRules(spec: FirewallSpec): readonly Rule[] {
  const [from, to] = [inSlots(spec, sourcePort), inSlots(spec, destinationPort)]
  const { first, last } = spec.tenantUids
  return [
    rule('loopback-judged', out('=='), judged, accept),
    ...(to === undefined ? [] : [rule('reaches', to[0], out('=='), ...to[1], jump('reach'))]),
    ...(from === undefined ? [] : [rule('answers', from[0], ...from[1], jump('answer'))]),
    rule('guards', is(payload('tcp', 'sport'), '@guarded'), jump('guard')),
    rule('tenants', is(skuid, range(first, last)), jump('tenant')),
    rule('unjudged4', out('!='), opening, is(payload('ip', 'daddr'), '@metadata4'), jump('unjudged')),
    rule('unjudged6', out('!='), opening, is(payload('ip6', 'daddr'), '@metadata6'), jump('unjudged')),
    metered('sent', out('!=')),
  ]
}

function inputRules(spec: FirewallSpec): readonly Rule[] {
  const to = inSlots(spec, destinationPort)
  return [
    rule('inside', fromInside, accept),
    ...(to === undefined ? [] : [rule('outside', to[0], ...to[1], drop)]),
    metered('received'),
  ]
}

/**
 * Rules for packets from the port of a slot.
 *
 * A packet without a socket has no uid, and no rule about a uid matches it. The reset from a closed port is such a packet and must pass.
 * A listener whose short queue is full answers by SYN cookie, which has no socket either. A squatter would then receive the request of
 * the visitor. Therefore only the owner's socket can answer a handshake. A socket of the kernel, such as that below AF_SMC or AF_RXRPC,
 * has no uid either, so its connections and its datagrams are dropped.
 */
const answerRules: readonly Rule[] = [
  rule('answer-own', is(pair(skuid, sourcePort), '@own'), back),
  rule('answer-squatter', isNot(pair(skuid, sourcePort), '@own'), drop),
  rule('answer-cookie', handshake, drop),
  rule('answer-unjudged-tcp', opening, drop),
  rule('answer-unjudged-udp', udp, drop),
]

/**
 * Callers are not tenants, so no later rule applies to them. The last two rules are for packets without a uid. On loopback all other TCP
 * was accepted before.
 */
const reachRules: readonly Rule[] = [
  rule('reach-caller', is(skuid, '@callers'), accept),
  rule('reach-own', is(pair(skuid, destinationPort), '@own'), back),
  rule('reach-other-tcp', isNot(skuid, '@callers'), tcp, reset),
  rule('reach-other', isNot(skuid, '@callers'), prohibited),
  rule('reach-unjudged-tcp', opening, reset),
  rule('reach-unjudged-udp', udp, prohibited),
]

/** Below port 1024 SYN cookies are allowed: no tenant can listen there, and only cookies survive a SYN flood from outside. */
const guardRules: readonly Rule[] = [
  rule('guard-own', is(pair(skuid, payload('tcp', 'sport')), '@guards'), back),
  rule('guard-squatter', isNot(pair(skuid, payload('tcp', 'sport')), '@guards'), drop),
  rule('guard-cookie', is(payload('tcp', 'sport'), range(1024, 65_535)), handshake, drop),
]

const tenantRules: readonly Rule[] = [
  rule('metadata4', is(payload('ip', 'daddr'), '@metadata4'), jump('metadata')),
  rule('metadata6', is(payload('ip6', 'daddr'), '@metadata6'), jump('metadata')),
  rule('loopback', out('=='), back),
  rule('egress', { vmap: { key: skuid, data: '@egress' } }),
  rule('egress-default', is(payload('tcp', 'dport'), '@refused'), reset),
]

/** Azure and GCP serve DNS at the same addresses as credentials. */
const metadataRules: readonly Rule[] = [
  rule('metadata-dns', transport, is(destinationPort, 53), back),
  rule('metadata-tcp', tcp, reset),
  rule('metadata', prohibited),
]

/**
 * Rules for a connection to a metadata address. Without a uid, it may be a tenant's. Everything else without a uid that leaves the host may
 * be the kernel's own: NFS, tunnels.
 */
const unjudgedRules: readonly Rule[] = [
  rule('unjudged-uid', hasUid, back),
  rule('unjudged-dns', is(payload('tcp', 'dport'), 53), back),
  rule('unjudged-metadata', reset),
]

const clientRules: readonly Rule[] = [
  rule('egress-client-tcp', is(payload('tcp', 'dport'), one(...clientPorts.tcp)), back),
  rule('egress-client-udp', is(payload('udp', 'dport'), one(...clientPorts.udp)), back),
  rule('egress-client-refused', tcp, reset),
  rule('egress-client', prohibited),
]

/**
 * Returns a rule without a verdict: the element of the set counts the packet. At input, early demultiplexing finds the socket of the
 * packet.
 */
function metered(name: 'sent' | 'received', ...beyond: readonly Json[]): Rule {
  return rule(name, ...beyond, is(skuid, `@${name}`))
}

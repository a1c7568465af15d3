import { parseNetwork, withoutNested, type Network } from '../address.ts'
import type { Chain, Datatype, Element, Json, NftSet, Rule, Table } from '../nft/table.ts'
import { assertSettings, clientPorts, metadataAddresses, type Slot, type WallSettings } from '../settings.ts'
import {
  accept,
  back,
  destinationPort,
  drop,
  fromInside,
  handshake,
  is,
  isNot,
  judged,
  jump,
  one,
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
} from './statements.ts'

/**
 * Plans the table for these settings.
 *
 * Pure. No rule belongs to one tenant: tenants are elements of sets. No rule looks at connection tracking: the first answer of a
 * squatter is part of an established connection, and is judged; and a table of connections that tenants could fill would cut
 * everybody off.
 *
 * @throws FirewallError `FIREWALL_INVALID`
 */
export function planWalls(name: string, settings: WallSettings): Table {
  assertSettings(settings)
  return { name, sets: planSets(settings), chains: planChains(settings) }
}

function planSets({ slots, callers, guards = [], egress = [], ...settings }: WallSettings): readonly NftSet[] {
  const networks = withoutNested((settings.metadata ?? metadataAddresses).map((text) => parseNetwork(text)))
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
      [...new Set(settings.refusedPorts ?? [25])].map((port) => ({ key: [port] })),
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

/** Ranges of all slots, neighbours as one: every packet that is near is looked up in them. */
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

/** After other tables, so that what they drop is not counted. A packet meets two chains of ours on its way, not four. */
const priority = 200

function planChains(settings: WallSettings): readonly Chain[] {
  return [
    { name: 'output', base: { hook: 'output', priority }, rules: outputRules(settings) },
    { name: 'input', base: { hook: 'input', priority }, rules: inputRules(settings) },
    { name: 'answer', rules: answerRules },
    { name: 'reach', rules: reachRules },
    { name: 'guard', rules: guardRules },
    { name: 'tenant', rules: tenantRules },
    { name: 'metadata', rules: metadataRules },
    { name: 'open', rules: [] },
    { name: 'client', rules: clientRules },
    { name: 'local', rules: [rule('egress-local-tcp', tcp, reset), rule('egress-local', prohibited)] },
  ]
}

function rule(name: string, ...statements: readonly Json[]): Rule {
  return { name, statements }
}

/**
 * What a packet's port is compared with: the narrowest range around all slots, two comparisons that most packets fail, and
 * then the set of slots, unless they have no gaps and the range is all there is to ask.
 */
function inSlots({ slots }: WallSettings, port: Json): readonly [near: Json, more: readonly Json[]] | undefined {
  const [first, ...others] = joined(slots)
  if (first === undefined) return undefined
  const least = slots.reduce((lowest, slot) => Math.min(lowest, slot.firstPort), 65_535)
  const most = slots.reduce((highest, slot) => Math.max(highest, slot.lastPort), 0)
  return [is(port, range(least, most)), others.length === 0 ? [transport] : [transport, is(port, '@slots')]]
}

/**
 * The order is that of cost: what a visitor's request and its answer meet between the proxy and a tenant comes first.
 *
 * Of TCP on loopback only the handshake is judged: without its SYN there is no connection to reach somebody by, and without the
 * SYN of the answer none for a squatter to answer on. What leaves the host is judged packet by packet.
 */
function outputRules(settings: WallSettings): readonly Rule[] {
  const [from, to] = [inSlots(settings, sourcePort), inSlots(settings, destinationPort)]
  const { first, last } = settings.tenantUids
  return [
    rule('loopback-judged', out('=='), judged, accept),
    ...(to === undefined ? [] : [rule('reaches', to[0], out('=='), ...to[1], jump('reach'))]),
    ...(from === undefined ? [] : [rule('answers', from[0], ...from[1], jump('answer'))]),
    rule('guards', is(payload('tcp', 'sport'), '@guarded'), jump('guard')),
    rule('tenants', is(skuid, range(first, last)), jump('tenant')),
    metered('sent', out('!=')),
  ]
}

function inputRules(settings: WallSettings): readonly Rule[] {
  const to = inSlots(settings, destinationPort)
  return [
    rule('inside', fromInside, accept),
    ...(to === undefined ? [] : [rule('outside', to[0], ...to[1], drop)]),
    metered('received'),
  ]
}

/**
 * What comes from a slot's port. A packet without a socket has no uid and meets no rule that asks for one: the reset from a
 * closed port must pass. But a listener whose short queue is full answers by SYN cookie, which has no socket either, and then a
 * squatter would be sent the visitor's request; so a handshake is answered by the owner's socket or not at all.
 */
const answerRules: readonly Rule[] = [
  rule('answer-own', is(pair(skuid, sourcePort), '@own'), back),
  rule('answer-squatter', isNot(pair(skuid, sourcePort), '@own'), drop),
  rule('answer-cookie', handshake, drop),
]

/** Callers are no tenants, and no rule below is about them. */
const reachRules: readonly Rule[] = [
  rule('reach-caller', is(skuid, '@callers'), accept),
  rule('reach-own', is(pair(skuid, destinationPort), '@own'), back),
  rule('reach-stranger-tcp', isNot(skuid, '@callers'), tcp, reset),
  rule('reach-stranger', isNot(skuid, '@callers'), prohibited),
]

/** Below 1024 no tenant can listen, and a SYN flood from outside needs cookies to be survived. */
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

/** Azure and GCP answer DNS at the very addresses that hand out credentials. */
const metadataRules: readonly Rule[] = [
  rule('metadata-dns', transport, is(destinationPort, 53), back),
  rule('metadata-tcp', tcp, reset),
  rule('metadata', prohibited),
]

const clientRules: readonly Rule[] = [
  rule('egress-client-tcp', is(payload('tcp', 'dport'), one(...clientPorts.tcp)), back),
  rule('egress-client-udp', is(payload('udp', 'dport'), one(...clientPorts.udp)), back),
  rule('egress-client-refused', tcp, reset),
  rule('egress-client', prohibited),
]

/** A match alone: the set's element counts. At input a packet's socket is known by the kernel's early demultiplexing. */
function metered(name: 'sent' | 'received', ...beyond: readonly Json[]): Rule {
  return rule(name, ...beyond, is(skuid, `@${name}`))
}

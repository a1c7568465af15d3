import { isLoopback, isInside, parseNetwork } from '../address.ts'
import { assertSpec, clientPorts, metadataAddresses, type FirewallSpec, type Slot } from '../spec.ts'

/** A packet to explain. */
export interface Question {
  /**
   * - `out`: a process of `uid` sends to `address` and `port`.
   * - `answer`: a process of `uid` answers a process of this host from `port`.
   * - `in`: another host sends to `port` of this host.
   */
  readonly direction: 'out' | 'answer' | 'in'
  /** `none`: a packet of a socket without a file, such as that below AF_SMC, or of no socket. */
  readonly uid: number | 'none'
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  /** The destination of `out`. Default `127.0.0.1`. */
  readonly address?: string
  /** Addresses of this host other than loopback. Packets to them also use loopback. */
  readonly hostAddresses?: readonly string[]
}

export interface Explanation {
  /** `reject`: answered at once with a reset or an ICMP error. `drop`: never answered. */
  readonly verdict: 'accept' | 'reject' | 'drop'
  /** The rule that decides. Absent when no rule matches. */
  readonly rule?: string
  /** The reason, as a sentence. */
  readonly why: string
}

/**
 * Explains what the table does with a packet. Pure: does not ask the kernel. Other tables may still refuse what this table accepts.
 *
 * @throws FirewallError `FIREWALL_INVALID`
 */
export function explain(spec: FirewallSpec, question: Question): Explanation {
  assertSpec(spec)
  switch (question.direction) {
    case 'in':
      return explainIn(spec, question)
    case 'answer':
      return explainAnswer(spec, question)
    case 'out':
      return explainOut(spec, question)
  }
}

const said = (verdict: Explanation['verdict'], rule: string, why: string): Explanation => ({ verdict, rule, why })

const untouched: Explanation = { verdict: 'accept', why: 'no rule of the table matches the packet' }

function slotOf({ slots }: FirewallSpec, port: number): Slot | undefined {
  return slots.find(({ firstPort, lastPort }) => firstPort <= port && port <= lastPort)
}

function explainIn(spec: FirewallSpec, { port }: Question): Explanation {
  const slot = slotOf(spec, port)
  if (slot === undefined) return untouched
  return said(
    'drop',
    'outside',
    `port ${port} belongs to uid ${slot.uid}; other hosts can reach it only through the proxy`,
  )
}

function explainAnswer(spec: FirewallSpec, { uid, port, protocol }: Question): Explanation {
  const slot = slotOf(spec, port)
  if (uid === 'none') return explainUnjudgedAnswer(spec, slot, { port, protocol })
  if (slot?.uid === uid) return said('accept', 'answer-own', `port ${port} belongs to uid ${uid}`)
  if (slot !== undefined) {
    return said(
      'drop',
      'answer-squatter',
      `port ${port} belongs to uid ${slot.uid}; uid ${uid} can listen on it, but its answers are dropped`,
    )
  }
  const guard = spec.guards?.find((one) => one.port === port && protocol === 'tcp')
  if (guard === undefined) return untouched
  if (guard.uids.includes(uid)) {
    return said('accept', 'guard-own', `port ${port} is guarded (${guard.name}) and uid ${uid} may answer from it`)
  }
  return said(
    'drop',
    'guard-squatter',
    `port ${port} is guarded (${guard.name}); only uid ${guard.uids.join(', ')} may answer from it`,
  )
}

function explainUnjudgedAnswer(
  spec: FirewallSpec,
  slot: Slot | undefined,
  { port, protocol }: Pick<Question, 'port' | 'protocol'>,
): Explanation {
  if (slot !== undefined) {
    const rule = protocol === 'tcp' ? 'answer-cookie' : 'answer-unjudged-udp'
    return said('drop', rule, `port ${port} belongs to uid ${slot.uid}, and the packet has no uid`)
  }
  const guarded = protocol === 'tcp' && port >= 1024 && spec.guards?.some((guard) => guard.port === port) === true
  return guarded ? said('drop', 'guard-cookie', `port ${port} is guarded, and the packet has no uid`) : untouched
}

function explainOut(spec: FirewallSpec, question: Question): Explanation {
  const { uid, port, protocol, address = '127.0.0.1', hostAddresses = [] } = question
  const local =
    isLoopback(address) ||
    isInside(
      hostAddresses.map((host) => parseNetwork(host)),
      address,
    )
  const slot = local ? slotOf(spec, port) : undefined
  const networks = (spec.metadata ?? metadataAddresses).map((text) => parseNetwork(text))
  if (uid === 'none') {
    if (slot !== undefined) {
      const why = `port ${port} belongs to uid ${slot.uid}, and the packet has no uid`
      return said('reject', `reach-unjudged-${protocol}`, why)
    }
    const refused = !local && protocol === 'tcp' && port !== 53 && isInside(networks, address)
    if (!refused) return untouched
    return said('reject', 'unjudged-metadata', `${address} is a metadata address, and the packet has no uid`)
  }
  const reached = slot === undefined ? undefined : explainReach(spec, slot, { ...question, uid })
  if (reached?.verdict === 'reject') return reached
  const { first, last } = spec.tenantUids
  if (uid < first || uid > last) return reached ?? untouched
  if (isInside(networks, address) && port !== 53) {
    const rule = protocol === 'tcp' ? 'metadata-tcp' : 'metadata'
    return said(
      'reject',
      rule,
      `${address} is a metadata address, which can serve credentials of the machine; tenants may reach only its port 53`,
    )
  }
  if (local) return reached ?? said('accept', 'loopback', 'loopback is open to tenants')
  return explainEgress(spec, { uid, port, protocol })
}

function explainReach(
  { callers }: FirewallSpec,
  slot: Slot,
  { uid, port, protocol }: Pick<Question, 'port' | 'protocol'> & { readonly uid: number },
): Explanation {
  if (callers.includes(uid)) {
    return said('accept', 'reach-caller', `uid ${uid} is a caller, which may reach the ports of every tenant`)
  }
  if (slot.uid === uid) return said('accept', 'reach-own', `port ${port} belongs to uid ${uid}`)
  const rule = protocol === 'tcp' ? 'reach-other-tcp' : 'reach-other'
  return said('reject', rule, `port ${port} belongs to uid ${slot.uid}; uid ${uid} is neither the owner nor a caller`)
}

function explainEgress(
  spec: FirewallSpec,
  { uid, port, protocol }: Pick<Question, 'port' | 'protocol'> & { readonly uid: number },
): Explanation {
  const policy = spec.egress?.find((one) => one.uid === uid)?.policy ?? 'default'
  const tcp = protocol === 'tcp'
  switch (policy) {
    case 'open':
      return said('accept', 'egress', `uid ${uid} has the policy open, which allows all destinations`)
    case 'local':
      return said(
        'reject',
        tcp ? 'egress-local-tcp' : 'egress-local',
        `uid ${uid} has the policy local, which allows only loopback`,
      )
    case 'client': {
      const ports: readonly number[] = clientPorts[protocol]
      const list = `${protocol} to ${ports.join(', ')}`
      if (ports.includes(port)) {
        return said('accept', `egress-client-${protocol}`, `uid ${uid} has the policy client, which allows ${list}`)
      }
      return said(
        'reject',
        tcp ? 'egress-client-refused' : 'egress-client',
        `uid ${uid} has the policy client, which allows only ${list}`,
      )
    }
    case 'default': {
      const refused = tcp && (spec.refusedPorts ?? [25]).includes(port)
      if (refused) {
        return said('reject', 'egress-default', `uid ${uid} has the policy default, which refuses tcp to ${port}`)
      }
      return {
        verdict: 'accept',
        why: `uid ${uid} has the policy default, which does not refuse ${protocol} to ${port}`,
      }
    }
  }
}

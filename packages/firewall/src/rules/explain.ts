import { isLoopback, isInside, parseNetwork } from '../address.ts'
import { assertSpec, clientPorts, metadataAddresses, type FirewallSpec, type Slot } from '../spec.ts'

/** One packet. */
export interface Question {
  /**
   * - `out`: a process of `uid` sends to `address` and `port`.
   * - `answer`: a process of `uid` answers a process of this host from `port`.
   * - `in`: another host sends to `port` of this host.
   */
  readonly direction: 'out' | 'answer' | 'in'
  readonly uid: number
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  /** The destination of `out`. Default `127.0.0.1`. */
  readonly address?: string
  /** Addresses of this host beside loopback: packets to them go by loopback. */
  readonly hostAddresses?: readonly string[]
}

export interface Explanation {
  /** `reject`: answered at once with a reset or an ICMP error. `drop`: never answered. */
  readonly verdict: 'accept' | 'reject' | 'drop'
  /** The rule that decides. Absent when no rule matches. */
  readonly rule?: string
  /** Why, as a sentence. */
  readonly why: string
}

/**
 * Explains what the table does with a packet. Pure: the kernel is not asked, and other tables may still refuse what this one accepts.
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

const untouched: Explanation = { verdict: 'accept', why: 'no rule of the table matches it' }

function slotOf({ slots }: FirewallSpec, port: number): Slot | undefined {
  return slots.find(({ firstPort, lastPort }) => firstPort <= port && port <= lastPort)
}

function explainIn(spec: FirewallSpec, { port }: Question): Explanation {
  const slot = slotOf(spec, port)
  if (slot === undefined) return untouched
  return said('drop', 'outside', `port ${port} is uid ${slot.uid}'s and is reached by the proxy only, not from outside`)
}

function explainAnswer(spec: FirewallSpec, { uid, port, protocol }: Question): Explanation {
  const slot = slotOf(spec, port)
  if (slot?.uid === uid) return said('accept', 'answer-own', `port ${port} is uid ${uid}'s own`)
  if (slot !== undefined) {
    return said(
      'drop',
      'answer-squatter',
      `port ${port} is uid ${slot.uid}'s; uid ${uid} may listen there, and its answers are dropped`,
    )
  }
  const guard = spec.guards?.find((one) => one.port === port && protocol === 'tcp')
  if (guard === undefined) return untouched
  if (guard.uids.includes(uid)) return said('accept', 'guard-own', `uid ${uid} answers for ${guard.name}`)
  return said(
    'drop',
    'guard-squatter',
    `port ${port} is guarded: only uid ${guard.uids.join(', ')} answers for ${guard.name}`,
  )
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
  const reached = slot === undefined ? undefined : explainReach(spec, slot, question)
  if (reached?.verdict === 'reject') return reached
  const { first, last } = spec.tenantUids
  if (uid < first || uid > last) return reached ?? untouched
  const networks = (spec.metadata ?? metadataAddresses).map((text) => parseNetwork(text))
  if (isInside(networks, address) && port !== 53) {
    const rule = protocol === 'tcp' ? 'metadata-tcp' : 'metadata'
    return said('reject', rule, `${address} hands out the machine's own credentials; tenants reach only its DNS`)
  }
  if (local) return reached ?? said('accept', 'loopback', 'loopback is open to tenants')
  return explainEgress(spec, { uid, port, protocol })
}

function explainReach({ callers }: FirewallSpec, slot: Slot, { uid, port, protocol }: Question): Explanation {
  if (callers.includes(uid)) return said('accept', 'reach-caller', `uid ${uid} may reach every tenant's ports`)
  if (slot.uid === uid) return said('accept', 'reach-own', `port ${port} is uid ${uid}'s own`)
  const rule = protocol === 'tcp' ? 'reach-other-tcp' : 'reach-other'
  return said('reject', rule, `port ${port} is uid ${slot.uid}'s; uid ${uid} is neither its owner nor a caller`)
}

function explainEgress(
  spec: FirewallSpec,
  { uid, port, protocol }: Pick<Question, 'uid' | 'port' | 'protocol'>,
): Explanation {
  const policy = spec.egress?.find((one) => one.uid === uid)?.policy ?? 'default'
  const tcp = protocol === 'tcp'
  switch (policy) {
    case 'open':
      return said('accept', 'egress', `uid ${uid} has the policy open`)
    case 'local':
      return said(
        'reject',
        tcp ? 'egress-local-tcp' : 'egress-local',
        `uid ${uid} has the policy local: nothing but loopback`,
      )
    case 'client': {
      const ports: readonly number[] = clientPorts[protocol]
      const list = `the policy client: ${protocol} to ${ports.join(', ')}`
      if (ports.includes(port)) return said('accept', `egress-client-${protocol}`, `uid ${uid} has ${list}`)
      return said(
        'reject',
        tcp ? 'egress-client-refused' : 'egress-client',
        `uid ${uid} has ${list}, and no other port`,
      )
    }
    case 'default': {
      const refused = tcp && (spec.refusedPorts ?? [25]).includes(port)
      if (refused) return said('reject', 'egress-default', `port ${port} is refused to tenants whose policy is default`)
      return {
        verdict: 'accept',
        why: `uid ${uid} has the policy default, which does not refuse ${protocol} to ${port}`,
      }
    }
  }
}

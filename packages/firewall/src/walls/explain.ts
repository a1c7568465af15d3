import { isLoopback, isInside, parseNetwork } from '../address.ts'
import { assertSettings, clientPorts, metadataAddresses, type Slot, type WallSettings } from '../settings.ts'

/** One packet to be judged. */
export interface Question {
  /**
   * - `out`: a process of `uid` sends to `address` and `port`.
   * - `answer`: a process of `uid` answers somebody of this host from `port`.
   * - `in`: somebody outside sends to `port` of this host.
   */
  readonly direction: 'out' | 'answer' | 'in'
  readonly uid: number
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  /** Where `out` goes. Default `127.0.0.1`. */
  readonly address?: string
  /** Addresses of this host beside loopback: what goes to them goes by loopback. */
  readonly hostAddresses?: readonly string[]
}

export interface Explanation {
  /** `reject` is answered at once with a reset or an ICMP error, `drop` never. */
  readonly verdict: 'accept' | 'reject' | 'drop'
  /** The rule that decides; absent when none speaks about it. */
  readonly rule?: string
  /** The same in words. */
  readonly why: string
}

/**
 * Explains what our table does with a packet. Pure: the kernel is not asked, and other tables may still refuse what ours lets by.
 *
 * @throws FirewallError `FIREWALL_INVALID`
 */
export function explain(settings: WallSettings, question: Question): Explanation {
  assertSettings(settings)
  switch (question.direction) {
    case 'in':
      return explainIn(settings, question)
    case 'answer':
      return explainAnswer(settings, question)
    case 'out':
      return explainOut(settings, question)
  }
}

const said = (verdict: Explanation['verdict'], rule: string, why: string): Explanation => ({ verdict, rule, why })

const untouched: Explanation = { verdict: 'accept', why: 'no rule of the table speaks about it' }

function slotOf({ slots }: WallSettings, port: number): Slot | undefined {
  return slots.find(({ firstPort, lastPort }) => firstPort <= port && port <= lastPort)
}

function explainIn(settings: WallSettings, { port }: Question): Explanation {
  const slot = slotOf(settings, port)
  if (slot === undefined) return untouched
  return said('drop', 'outside', `port ${port} is uid ${slot.uid}'s and is reached by the proxy only, not from outside`)
}

function explainAnswer(settings: WallSettings, { uid, port, protocol }: Question): Explanation {
  const slot = slotOf(settings, port)
  if (slot?.uid === uid) return said('accept', 'answer-own', `port ${port} is uid ${uid}'s own`)
  if (slot !== undefined) {
    return said(
      'drop',
      'answer-squatter',
      `port ${port} is uid ${slot.uid}'s; uid ${uid} may listen there and is not heard`,
    )
  }
  const guard = settings.guards?.find((one) => one.port === port && protocol === 'tcp')
  if (guard === undefined) return untouched
  if (guard.uids.includes(uid)) return said('accept', 'guard-own', `uid ${uid} is who answers for ${guard.name}`)
  return said(
    'drop',
    'guard-squatter',
    `port ${port} is guarded: only uid ${guard.uids.join(', ')} answers for ${guard.name}`,
  )
}

function explainOut(settings: WallSettings, question: Question): Explanation {
  const { uid, port, protocol, address = '127.0.0.1', hostAddresses = [] } = question
  const local =
    isLoopback(address) ||
    isInside(
      hostAddresses.map((host) => parseNetwork(host)),
      address,
    )
  const slot = local ? slotOf(settings, port) : undefined
  const reached = slot === undefined ? undefined : explainReach(settings, slot, question)
  if (reached?.verdict === 'reject') return reached
  const { first, last } = settings.tenantUids
  if (uid < first || uid > last) return reached ?? untouched
  const networks = (settings.metadata ?? metadataAddresses).map((text) => parseNetwork(text))
  if (isInside(networks, address) && port !== 53) {
    const rule = protocol === 'tcp' ? 'metadata-tcp' : 'metadata'
    return said('reject', rule, `${address} hands out the machine's own credentials; tenants reach only its DNS`)
  }
  if (local) return reached ?? said('accept', 'loopback', 'loopback is open to tenants')
  return explainEgress(settings, { uid, port, protocol })
}

function explainReach({ callers }: WallSettings, slot: Slot, { uid, port, protocol }: Question): Explanation {
  if (callers.includes(uid)) return said('accept', 'reach-caller', `uid ${uid} may reach every tenant's ports`)
  if (slot.uid === uid) return said('accept', 'reach-own', `port ${port} is uid ${uid}'s own`)
  const rule = protocol === 'tcp' ? 'reach-stranger-tcp' : 'reach-stranger'
  return said('reject', rule, `port ${port} is uid ${slot.uid}'s; uid ${uid} is neither its owner nor a caller`)
}

function explainEgress(
  settings: WallSettings,
  { uid, port, protocol }: Pick<Question, 'uid' | 'port' | 'protocol'>,
): Explanation {
  const policy = settings.egress?.find((one) => one.uid === uid)?.policy ?? 'default'
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
      const refused = tcp && (settings.refusedPorts ?? [25]).includes(port)
      if (refused) return said('reject', 'egress-default', `port ${port} is refused to tenants whose policy is default`)
      return {
        verdict: 'accept',
        why: `uid ${uid} has the policy default, which does not refuse ${protocol} to ${port}`,
      }
    }
  }
}

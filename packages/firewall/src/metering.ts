import { addReading, anyFell } from '@puppy/host'
import { FirewallError } from './errors.ts'
import type { Counter, ObservedTable } from './nft/table.ts'

/** What a tenant's sockets have sent and received off loopback, as the table counts it. */
export interface TrafficReading {
  readonly uid: number
  /** Bytes with IP headers, of packets before they are segmented for the wire and after they are reassembled. */
  readonly sentBytes: number
  readonly sentPackets: number
  readonly receivedBytes: number
  readonly receivedPackets: number
}

/** A total that never falls, and the last reading that was added to it. */
export interface Traffic extends TrafficReading {
  readonly last: TrafficReading
}

/** Returns every tenant's counters in a table, by uid. Pure. */
export function parseTraffic(observed: ObservedTable): readonly TrafficReading[] {
  const [sent, received] = ['sent', 'received'].map((name) => countersOf(observed, name)) as [
    CountersByUid,
    CountersByUid,
  ]
  const uids = [...new Set([...sent.keys(), ...received.keys()])].toSorted((one, other) => one - other)
  return uids.map((uid) => {
    const [out, back] = [sent.get(uid) ?? none, received.get(uid) ?? none]
    return {
      uid,
      sentBytes: out.bytes,
      sentPackets: out.packets,
      receivedBytes: back.bytes,
      receivedPackets: back.packets,
    }
  })
}

/**
 * Adds a reading to a total. Pure.
 *
 * A reading of which any number is below the last one comes from counters that started again at zero (a reboot, a flush by another
 * program), and all of it is added. What was counted between the last reading and that moment is lost.
 *
 * @throws FirewallError `FIREWALL_INVALID` when the reading is of another uid.
 */
export function addTraffic(previous: Traffic | undefined, reading: TrafficReading): Traffic {
  if (previous === undefined) return { ...reading, last: reading }
  if (previous.uid !== reading.uid) {
    const detail = `it was read for uid ${reading.uid}`
    throw new FirewallError('FIREWALL_INVALID', {
      operation: 'add to the traffic of uid',
      value: String(previous.uid),
      detail,
    })
  }
  const [last, now] = [countsOf(previous.last), countsOf(reading)]
  const added = addReading({ total: countsOf(previous), last }, now, anyFell(last, now))
  return { uid: reading.uid, ...added.total, last: reading }
}

function countsOf({ sentBytes, sentPackets, receivedBytes, receivedPackets }: TrafficReading) {
  return { sentBytes, sentPackets, receivedBytes, receivedPackets }
}

type CountersByUid = ReadonlyMap<number, Counter>

const none: Counter = { packets: 0, bytes: 0 }

function countersOf(observed: ObservedTable, name: string): CountersByUid {
  const elements = observed.sets.get(name)?.elements ?? []
  return new Map(
    elements.flatMap(({ key: [uid], counter }): [number, Counter][] =>
      typeof uid === 'number' ? [[uid, counter ?? none]] : [],
    ),
  )
}

import { addReading, anyFell } from '@puppy/host'
import { FirewallError } from './errors.ts'
import type { Counter, ObservedTable } from './nft/table.ts'

/** The traffic of one tenant's sockets outside loopback, as the table counts it. */
export interface TrafficReading {
  readonly uid: number
  /** Bytes including IP headers. Packets are counted before they are segmented for the wire and after they are reassembled. */
  readonly sentBytes: number
  readonly sentPackets: number
  readonly receivedBytes: number
  readonly receivedPackets: number
}

/** A total that never decreases, and the last reading that was added to it. */
export interface Traffic extends TrafficReading {
  readonly last: TrafficReading
}

/** Returns the counters of every tenant in a table, sorted by uid. Pure. */
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
 * If any number of the reading is lower than in the last one, the counters restarted at zero (after a reboot, or a flush by another
 * program), and the whole reading is added. Traffic between the last reading and the restart is lost.
 *
 * @throws FirewallError `FIREWALL_INVALID` when the reading is of another uid.
 */
export function addTraffic(previous: Traffic | undefined, reading: TrafficReading): Traffic {
  if (previous === undefined) return { ...reading, last: reading }
  if (previous.uid !== reading.uid) {
    const detail = `the reading is of uid ${reading.uid}; add it to the total of that uid`
    throw new FirewallError('FIREWALL_INVALID', {
      operation: 'add a reading to the total of uid',
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

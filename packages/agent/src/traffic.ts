import { slotAt, slotCount, type SlotLayout } from '@puppy/accounts'
import { addTraffic, type Firewall, type TrafficReading } from '@puppy/firewall'
import type { Host } from '@puppy/host'
import { readBootId } from '@puppy/host/proc'
import type { Database } from '@puppy/state'
import { recordOthers } from '@puppy/state/store/record'
import { listMeters, stepMeters, type MeterRow, type MeterStep } from '@puppy/state/store/meters'

/** Where traffic counters are, and how a reset of them is recognised. */
export interface TrafficSource {
  readonly machine: Host
  readonly layout: SlotLayout
  readonly firewall: Pick<Firewall, 'traffic'>
}

/**
 * Adds what slots have sent and received since the last sample to the totals of their accounts. Reads one listing for all slots.
 *
 * Reads which account has which slot before the counters. So bytes that are counted after a slot was seen clean belong to the next
 * account.
 *
 * Returns false when there are built slots but no counters: then the table was deleted.
 *
 * @throws FirewallError
 */
export async function sampleTraffic(
  database: Database,
  host: string,
  { machine, layout, firewall }: TrafficSource,
  signal: AbortSignal,
): Promise<boolean> {
  const meters = (await listMeters(database, host)).filter(({ n }) => n < slotCount(layout))
  if (meters.length === 0) return true
  const boot = (await readBootId(machine)) ?? ''
  const readings = new Map((await firewall.traffic({ signal, timeout: 10_000 })).map((one) => [one.uid, one]))
  const steps = meters.flatMap((meter) => {
    const { uid } = slotAt(layout, meter.n)
    const step = stepOf(meter, readings.get(uid) ?? nothing(uid), boot)
    return step === undefined ? [] : [step]
  })
  await recordOthers(database, steps, (db, some) => stepMeters(db, host, some))
  return readings.size > 0 || !meters.some(({ metered }) => metered)
}

/** Returns the reading of counters that do not exist, for example after the table was flushed: they start at zero. */
function nothing(uid: number): TrafficReading {
  return { uid, sentBytes: 0, sentPackets: 0, receivedBytes: 0, receivedPackets: 0 }
}

/**
 * Returns what a reading adds to a meter, or undefined when nothing changed. Pure.
 *
 * Bytes belong to an account when the slot was its own, or clean, at the last sample. Otherwise part of them may belong to another
 * account. Then no account gets them, and counting starts at this reading.
 */
export function stepOf(
  { n, account, clean, last: before }: Omit<MeterRow, 'metered'>,
  counted: TrafficReading,
  boot: string,
): MeterStep | undefined {
  const last = { account, clean, boot, counted }
  const { uid } = counted
  const same = (['sentBytes', 'sentPackets', 'receivedBytes', 'receivedPackets'] as const).every(
    (count) => before?.counted[count] === counted[count],
  )
  if (same && before?.account === account && before.clean === clean && before.boot === boot) return undefined
  const own = before !== null && account !== null && (before.clean || before.account === account)
  if (!own) return { n, before, last, sent: 0, received: 0 }
  const from = before.boot === boot ? { ...before.counted, uid } : nothing(uid)
  const grown = addTraffic({ ...nothing(uid), last: from }, counted)
  return { n, before, last, sent: grown.sentBytes, received: grown.receivedBytes }
}

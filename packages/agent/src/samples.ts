import type { Haproxy } from '@puppy/haproxy'
import type { Host } from '@puppy/host'
import { readListeners, type Listener } from '@puppy/host/proc'
import type { Database } from '@puppy/state'
import { domainsOfHost, recordListeners, type ListenerState } from '@puppy/state/store/domains'
import { recordOthers } from '@puppy/state/store/record'
import { addReadings } from '@puppy/state/store/usage'
import { listOccupants } from '@puppy/state/store/slots'

/**
 * The address that the proxy connects to, and the wildcards that include it. A socket on `::` also accepts IPv4 unless the program turns
 * that off. The last two are 127.0.0.1 and 0.0.0.0 as an IPv6 socket has them.
 */
const reachable = new Set(['127.0.0.1', '0.0.0.0', '::', '::ffff:7f00:1', '::ffff:0:0'])

/** Returns what the proxy would find on a port with these listeners. Pure. */
export function listenerState(here: readonly Listener[]): ListenerState {
  if (here.length === 0) return 'nobody'
  return here.some(({ address }) => reachable.has(address)) ? 'listening' : 'wrong_address'
}

/** Reads which ports of domains have a listener, and records what changed. */
export async function sampleListeners(database: Database, host: string, machine: Host): Promise<void> {
  const domains = (await domainsOfHost(database, host)).filter(({ deletedAt }) => deletedAt === null)
  if (domains.length === 0) return
  const byPort = Map.groupBy(await readListeners(machine), ({ port }) => port)
  const seen = domains.map(({ id, port, listener }) => ({
    id,
    was: listener,
    listener: listenerState(byPort.get(port) ?? []),
  }))
  await recordOthers(
    database,
    seen.filter(({ was, listener }) => was !== listener),
    recordListeners,
  )
}

/** Adds what the proxy counted since the last sample to the totals of the accounts. */
export async function sampleUsage(
  database: Database,
  host: string,
  proxy: Haproxy,
  signal: AbortSignal,
): Promise<void> {
  const usage = await proxy.usage({ signal })
  if (usage.length === 0) return
  const occupants = new Map((await listOccupants(database, host)).map(({ slot, account }) => [slot, account]))
  const readings = usage.flatMap(({ slot, requests, bytesIn, bytesOut }) => {
    const account = occupants.get(slot)
    return account === undefined ? [] : [{ account, requests, bytesIn, bytesOut }]
  })
  await recordOthers(database, readings, addReadings)
}

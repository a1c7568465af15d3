import type { Slot } from '@puppy/accounts'
import { parsePasswd } from '@puppy/accounts/passwd'
import { printable, type Host } from '@puppy/host'
import { findHolders, readListeners, type Listener, type ProcessStatus } from '@puppy/host/proc'
import type { Verdict } from '@puppy/state'
import { servedNothing, type Facility, type Finding, type Served, type Step, type View } from './facility.ts'
import { listProblems } from './findings.ts'

const name = 'ports'

/** A listener of another user on a port of a slot. */
interface Squatter {
  readonly slot: Slot
  readonly listener: Listener
  /** The name in `/etc/passwd`. Undefined for a uid without a name. */
  readonly user: string | undefined
  /** The processes that hold the socket. Empty when they could not be found. */
  readonly processes: readonly ProcessStatus[]
}

/** Where listeners are read. */
export interface PortsFacilityOptions {
  readonly host: Host
  /** Returns whether the firewall's rules are loaded. They block connections to a listener of another user. */
  firewallStands(): boolean
}

/**
 * Creates the facility that reports listeners of other users on the ports of an account's slot. Root may listen there: systemd does so for
 * a tenant's server with socket activation. Changes nothing: the operator decides whether to end the process.
 *
 * Reads `/proc` once in a complete pass. Other passes use that result.
 */
export function portsFacility({ host, firewallStands }: PortsFacilityOptions): Facility {
  let seen: readonly Squatter[] | undefined
  return Object.freeze<Facility>({
    name,
    judges: ['accounts'],
    probe: async () =>
      host.live
        ? { works: true }
        : { works: false, reason: 'this host is only a folder (PUPPY_ROOT), and listening ports need a real machine' },
    serve: async (view: View): Promise<Step<Served>> => {
      if (view.complete || seen === undefined) seen = await readSquatters(host, view)
      const squatters = Map.groupBy(seen, ({ slot }) => slot.n)
      const accounts = view.tenants.map(({ id, slot }): [number, Verdict] => [
        id,
        verdictOf(squatters.get(slot.n) ?? [], firewallStands()),
      ])
      const served = { ...servedNothing, accounts: new Map(accounts) }
      return { changes: [], foreseen: served, apply: async () => served }
    },
    inspect: async (view: View): Promise<readonly Finding[]> => {
      const squatters = await readSquatters(host, view)
      if (squatters.length === 0) return [{ works: true, what: 'no other user listens on a port of a slot' }]
      return listProblems(
        squatters,
        (squatter) => ({
          what: `port ${squatter.listener.port} of ${squatter.slot.user}`,
          otherwise: `${describe(squatter)}; ${remedy([squatter])}`,
        }),
        { name: 'ports', otherwise: 'other users listen on them too' },
      )
    },
  })
}

async function readSquatters(host: Host, { builtSlots }: View): Promise<readonly Squatter[]> {
  const slots = new Map(builtSlots.flatMap(({ slot }) => slot.ports.map((port) => [port, slot])))
  const found = (await readListeners(host)).flatMap((listener) => {
    const slot = slots.get(listener.port)
    return slot === undefined || [0, slot.uid].includes(listener.uid) ? [] : [{ slot, listener }]
  })
  if (found.length === 0) return []
  const holders = await findHolders(
    host,
    found.map(({ listener }) => listener),
  )
  const users = new Map(parsePasswd((await host.read('/etc/passwd')) ?? '').map((entry) => [entry.uid, entry.name]))
  return found.map(({ slot, listener }) => ({
    slot,
    listener,
    user: users.get(listener.uid),
    processes: holders.get(listener.inode) ?? [],
  }))
}

/** How many listeners and processes are listed: each of a tenant's workers may hold the socket. */
const most = 5

function verdictOf(squatters: readonly Squatter[], firewallStands: boolean): Verdict {
  if (squatters.length === 0) return { type: name, status: 'true', reason: 'own' }
  const effect = firewallStands
    ? 'the firewall blocks connections to it'
    : 'the firewall rules are not loaded, so it receives every connection to this port'
  const more = squatters.length > most ? [`and ${squatters.length - most} more`] : []
  const who = [...squatters.slice(0, most).map((squatter) => describe(squatter)), ...more].join(', ')
  return {
    type: name,
    status: 'false',
    reason: 'squatted',
    message: [`another user uses a port of this account: ${who}`, effect, remedy(squatters)].join('; '),
  }
}

/** `python3 (pid 4242) of user p10001 listens on 127.0.0.1:10241` */
function describe({ listener, user, processes }: Squatter): string {
  const { address, family, port, uid } = listener
  const programs = processes.slice(0, most).map((process) => `${printable(process.name)} (pid ${process.pid})`)
  const whose = user === undefined ? `uid ${uid}` : `user ${user}`
  const at = family === 'ipv6' ? `[${address}]:${port}` : `${address}:${port}`
  return `${programs.join(', ') || 'a process'} of ${whose} listens on ${at}`
}

/** Returns the command that ends the listeners, or that finds them. */
function remedy(squatters: readonly Squatter[]): string {
  const pids = [...new Set(squatters.flatMap(({ processes }) => processes.map(({ pid }) => pid)))].slice(0, 2 * most)
  if (pids.length > 0) return `end it with "kill ${pids.join(' ')}"`
  return `find it with "ss -ltnp sport = :${squatters[0]?.listener.port}"`
}

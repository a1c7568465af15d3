import {
  endProcesses,
  evict,
  lingerFolder,
  noReservations,
  openBase,
  openLogins,
  openPool,
  probe,
  readReserved,
  scrub,
  type AccountError,
  type Base,
  type EndOptions,
  type Login,
  type Logins,
  type Pool,
  type PortReservations,
  type ScrubOptions,
  type Slot,
  type SlotLayout,
} from '@puppy/accounts'
import type { Host } from '@puppy/host'
import type { Verdict } from '@puppy/state'
import type { Facility, Given, Served, SlotToBuild, SlotVerdict, SlotVerdicts, Step, Tenant } from './facility.ts'

const name = 'accounts'

type Ending = EndOptions & { readonly signal: AbortSignal }

/** Where the users of tenants are created. */
export interface AccountsOptions {
  readonly host: Host
  /** The real machine, even when `host` is a folder: listening ports always belong to the machine. */
  readonly machine: Host
  readonly layout: SlotLayout
  /** Ends the slices of uids before their processes are ended one uid after the other. */
  readonly endGroups?: EndOptions['endGroups']
  /** Returns the mount points of file systems on which the facility `quota` counts the files of released slots. */
  readonly counted?: (signal: AbortSignal) => Promise<readonly string[]>
  /**
   * Returns whether the view of sessions is being installed. Meanwhile no service manager is started, because it would see what every user
   * sees until it ends.
   */
  readonly installingView?: () => boolean
}

/** Creates the facility for users, homes, keys and logins. On release, it removes everything that a tenant left behind. */
export function accountsFacility(options: AccountsOptions): Facility {
  const { host, machine, layout, endGroups, counted, installingView } = options
  const ending = endGroups === undefined ? {} : { endGroups }
  const readReservations = createReservations(machine)
  const [base, pool, logins] = [openBase(host, layout), openPool(host, layout), openLogins(host)]
  return Object.freeze<Facility>({
    name,
    judges: ['accounts'],
    clears: true,
    probe: async () => {
      const { works, error } = await probe(host)
      return works ? { works } : { works, reason: error?.message ?? 'the probe failed without an error message' }
    },
    prepare: (signal: AbortSignal) => prepare(base, signal),
    build: (slots: readonly SlotToBuild[], signal: AbortSignal) => build(pool, readReservations, slots, signal),
    serve: (view: { readonly tenants: readonly Tenant[] }, signal: AbortSignal) =>
      serve({ host, pool, logins }, view.tenants, { ...ending, signal }, installingView?.() === true),
    evict: (slots: readonly Slot[], signal: AbortSignal) => evictSlots(host, slots, { ...ending, signal }),
    scrub: async (slots: readonly Slot[], signal: AbortSignal, working?: ReadonlySet<string>) => {
      const places = working?.has('quota') === true ? await counted?.(signal) : undefined
      return scrubSlots(host, layout, slots, {
        ...ending,
        signal,
        ...(places === undefined ? {} : { counted: places }),
      })
    },
  })
}

async function prepare(base: Base, signal: AbortSignal): Promise<Step<readonly string[]>> {
  const changeSet = base.plan('present', await base.read('present', { signal }))
  return {
    changes: changeSet.changes,
    apply: async () => {
      const { results, warnings, steps } = await base.apply(changeSet, { signal })
      const failure = results.find(({ error }) => error !== undefined)?.error
      if (failure !== undefined) throw failure
      return [...warnings, ...steps]
    },
  }
}

type ReadReservations = (signal: AbortSignal) => Promise<PortReservations>

/**
 * Creates a function that reads which ports are reserved. Reads the SELinux policy at most every ten minutes: `semanage` uses a processor
 * for a second, a complete pass runs every minute, and port labels change only when a person changes the policy.
 */
function createReservations(machine: Host): ReadReservations {
  let known: { readonly at: number; readonly reserved: PortReservations } | undefined
  return async (signal) => {
    const fresh = known !== undefined && performance.now() - known.at < 600_000 ? known : undefined
    const reserved = await readReserved(machine, { signal, ...(fresh === undefined ? {} : { known: fresh.reserved }) })
    if (fresh === undefined) known = { at: performance.now(), reserved }
    return reserved
  }
}

async function build(
  pool: Pool,
  readReservations: ReadReservations,
  slots: readonly SlotToBuild[],
  signal: AbortSignal,
): Promise<Step<SlotVerdicts>> {
  const spec = slots.map(({ slot, state }) => ({ ...slot, taken: state === 'taken' }))
  const reserved = spec.every(({ taken }) => taken) ? noReservations : await readReservations(signal)
  const changeSet = pool.plan(spec, await pool.read(spec, { signal, reserved }))
  return {
    changes: changeSet.changes,
    foreseen: new Map(changeSet.refused.map(({ n, error }) => [n, verdictOf(error)])),
    apply: async () => {
      const { results } = await pool.apply(changeSet, { signal })
      return new Map(results.map(({ n, error }) => [n, verdictOf(error)]))
    },
  }
}

function verdictOf(error: AccountError | undefined): SlotVerdict {
  if (error === undefined) return { status: 'ready' }
  const { code, facts, message } = error
  const status = code === 'ACCOUNT_SLOT_BLOCKED' ? 'blocked' : 'failed'
  return { status, message, ...(facts.reason === undefined ? {} : { reason: facts.reason }) }
}

/** Returns the variables of a tenant's shell and services. No value has a character that is special to a shell or systemd. */
function environmentOf(tenant: Tenant): Readonly<Record<string, string>> {
  const ports = tenant.slot.ports.slice(0, tenant.ports)
  return {
    PORT: String(ports[0] ?? ''),
    PUPPY_ACCOUNT: tenant.name,
    PUPPY_PORTS: ports.join(','),
    PUPPY_DOMAINS: tenant.domains.slice(0, 50).join(','),
  }
}

/** Returns the login of a tenant. With `lingering`, only these users keep their service manager running, and no other one is started. */
function wantedLogin(tenant: Tenant, lingering: ReadonlySet<string> | undefined): Login {
  return {
    slot: tenant.slot,
    keys: tenant.sshKeys,
    environment: environmentOf(tenant),
    linger: !tenant.suspended && lingering?.has(tenant.slot.user) !== false,
    open: !tenant.suspended,
  }
}

async function serve(
  { host, pool, logins }: { readonly host: Host; readonly pool: Pool; readonly logins: Logins },
  tenants: readonly Tenant[],
  ending: Ending,
  keepLinger: boolean,
): Promise<Step<Served>> {
  const { signal } = ending
  const lingering = keepLinger ? new Set(await host.list(lingerFolder)) : undefined
  const loginOf = (tenant: Tenant) => wantedLogin(tenant, lingering)
  const slots = tenants.map(({ slot }) => ({ ...slot, taken: true }))
  const users = pool.plan(slots, await pool.read(slots, { signal, reserved: noReservations }))
  const observed = await logins.read(tenants.map(loginOf), { signal })
  const ready = new Set(users.ready.map(({ n }) => n))
  const errors = new Map(users.refused.map(({ n, error }) => [n, error]))
  // Changes only users that Puppy created, whatever the row says: a person may have the uid of a slot.
  const ours = tenants.filter(({ slot }) => ready.has(slot.n))
  const changeSet = logins.plan(ours.map(loginOf), observed)
  // In a dry run, users of new slots are never built. The changes of their logins are planned all the same.
  const unbuilt = tenants.filter(({ slot }) => !ready.has(slot.n) && !errors.has(slot.n))
  const suspended = ours.filter((tenant) => tenant.suspended).map(({ slot }) => slot)
  return {
    changes: [...changeSet.changes, ...logins.plan(unbuilt.map(loginOf), observed).changes],
    apply: async () => {
      const { results } = await logins.apply(changeSet, { signal })
      for (const { n, error } of results) if (error !== undefined) errors.set(n, error)
      const left = await endSuspended(host, suspended, ending)
      const accounts = tenants.map(({ id, slot }): [number, Verdict] => {
        const message = errors.get(slot.n)?.message
        const mismatch = `user ${slot.user} or its home does not match slot ${slot.n}; the agent repairs it within a minute`
        if (!ready.has(slot.n)) return [id, failed('user_wrong', message ?? mismatch)]
        if (message !== undefined) return [id, failed('login_failed', message)]
        const running = `some processes of ${slot.user} do not end; list them with "ps -U ${slot.user} -o pid,stat,wchan,args"`
        if (left.has(slot.uid)) return [id, failed('processes_left', running)]
        return [id, { type: name, status: 'true', reason: suspended.includes(slot) ? 'suspended' : 'applied' }]
      })
      return { accounts: new Map(accounts), domains: new Map(), gone: [] }
    },
  }
}

function failed(reason: string, message: string): Verdict {
  return { type: name, status: 'false', reason, message }
}

/**
 * Ends the processes of suspended slots. Returns the uids that still have processes. Ends none for a host that is a folder: there, the
 * uid may belong to a person of this machine.
 */
async function endSuspended(host: Host, slots: readonly Slot[], ending: EndOptions): Promise<ReadonlySet<number>> {
  if (!host.live || slots.length === 0) return new Set()
  const { left } = await endProcesses(
    host,
    slots.map(({ uid }) => uid),
    ending,
  )
  return new Set(left.flatMap(({ uids, gids }) => [...uids, ...gids]))
}

async function evictSlots(
  host: Host,
  slots: readonly Slot[],
  ending: EndOptions,
): Promise<Step<ReadonlyMap<number, Given>>> {
  return {
    changes: slots.map(({ user }) => ({ facility: name, target: user, action: 'end its logins and processes' })),
    apply: async () => {
      const results = await evict(host, slots, ending)
      return new Map(results.map(({ n, error }) => [n, givenOf(error)]))
    },
  }
}

async function scrubSlots(
  host: Host,
  layout: SlotLayout,
  slots: readonly Slot[],
  options: ScrubOptions,
): Promise<Step<ReadonlyMap<number, Given>>> {
  return {
    changes: slots.map(({ user }) => ({ facility: name, target: user, action: 'delete its data' })),
    apply: async () => {
      const results = await scrub(host, layout, slots, options)
      return new Map(results.map(({ n, error }) => [n, givenOf(error)]))
    },
  }
}

function givenOf(error: AccountError | undefined): Given {
  return error === undefined ? { done: true } : { done: false, message: error.message }
}

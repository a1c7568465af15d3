import {
  applyLogins,
  applyPool,
  endProcesses,
  ensureBase,
  evict,
  noReservations,
  planBase,
  planLogins,
  planPool,
  probe,
  readBase,
  readLogins,
  readPool,
  readReserved,
  scrub,
  type Login,
  type PoolPlan,
  type PortReservations,
  type Slot,
  type SlotLayout,
} from '@puppy/accounts'
import type { Host } from '@puppy/host'
import type { Verdict } from '@puppy/state'
import type { Facility, Given, Served, SlotToBuild, SlotVerdict, SlotVerdicts, Step, Tenant } from './facility.ts'

const name = 'accounts'

export interface AccountsOptions {
  readonly host: Host
  /** The real machine, also when `host` is a folder: ports are the machine's in any case. */
  readonly machine: Host
  readonly layout: SlotLayout
}

/** Users, homes, keys, logins and everything that a tenant leaves behind. */
export function accountsFacility({ host, machine, layout }: AccountsOptions): Facility {
  const readReservations = createReservations(machine)
  return Object.freeze<Facility>({
    name,
    judges: ['accounts'],
    clears: true,
    probe: async () => {
      const lacking = (await probe(host)).filter(
        ({ works, name: ability }) => !works && (ability === 'pool' || ability === 'keys'),
      )
      return lacking.length === 0 ? { works: true } : { works: false, reason: lacking.map(({ why }) => why).join('; ') }
    },
    prepare: (signal: AbortSignal) => prepare(host, layout, signal),
    build: (slots: readonly SlotToBuild[], signal: AbortSignal) =>
      build({ host, layout, readReservations }, slots, signal),
    serve: (view: { readonly tenants: readonly Tenant[] }, signal: AbortSignal) =>
      serve(host, layout, view.tenants, signal),
    evict: (slots: readonly Slot[], signal: AbortSignal) => evictSlots(host, slots, signal),
    scrub: (slots: readonly Slot[], signal: AbortSignal) => scrubSlots(host, layout, slots, signal),
  })
}

async function prepare(host: Host, layout: SlotLayout, signal: AbortSignal): Promise<Step<readonly string[]>> {
  const { changes } = planBase(layout, await readBase(host))
  return {
    changes,
    apply: async () => {
      const { degraded, planned } = await ensureBase(host, layout, { signal })
      return [...degraded, ...planned]
    },
  }
}

type ReadReservations = (signal: AbortSignal) => Promise<PortReservations>

/**
 * What has a claim on ports. The policy is asked every ten minutes at most: `semanage` takes a second of a processor, a
 * complete pass comes every minute, and labels of ports change when a person changes the policy.
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
  {
    host,
    layout,
    readReservations,
  }: Pick<AccountsOptions, 'host' | 'layout'> & { readonly readReservations: ReadReservations },
  slots: readonly SlotToBuild[],
  signal: AbortSignal,
): Promise<Step<SlotVerdicts>> {
  const observed = await readPool(
    host,
    layout,
    slots.map(({ slot }) => slot),
    { signal },
  )
  const open = slots.filter(({ state }) => state !== 'taken').map(({ slot }) => slot)
  const taken = slots.filter(({ state }) => state === 'taken').map(({ slot }) => slot)
  // Whoever has a slot may listen on its ports; only of one that nobody has they must be free.
  const reserved = open.length === 0 ? noReservations : await readReservations(signal)
  const plans = [planPool(open, observed, reserved), planPool(taken, observed, noReservations)]
  return {
    changes: plans.flatMap(({ changes }) => changes),
    foreseen: new Map(
      plans.flatMap(({ blocked }) =>
        blocked.map(({ n, reason, message }): [number, SlotVerdict] => [n, { status: 'blocked', reason, message }]),
      ),
    ),
    apply: async () => {
      const verdicts = new Map<number, SlotVerdict>()
      for (const plan of plans) await applyOne(host, layout, plan, signal, verdicts)
      return verdicts
    },
  }
}

async function applyOne(
  host: Host,
  layout: SlotLayout,
  plan: PoolPlan,
  signal: AbortSignal,
  verdicts: Map<number, SlotVerdict>,
): Promise<void> {
  for (const { n, reason, message } of plan.blocked) verdicts.set(n, { status: 'blocked', reason, message })
  for (const { n, status, reason, message } of await applyPool(host, layout, plan, { signal })) {
    if (verdicts.has(n)) continue
    verdicts.set(n, {
      status,
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
    })
  }
}

/** What a tenant's shell and services are told. Values hold no character that a shell or systemd would read otherwise. */
function environmentOf(tenant: Tenant): Readonly<Record<string, string>> {
  const ports = tenant.slot.ports.slice(0, tenant.ports)
  return {
    PORT: String(ports[0] ?? ''),
    PUPPY_ACCOUNT: tenant.name,
    PUPPY_PORTS: ports.join(','),
    PUPPY_DOMAINS: tenant.domains.slice(0, 50).join(','),
  }
}

function loginOf(tenant: Tenant): Login {
  return {
    slot: tenant.slot,
    keys: tenant.sshKeys,
    environment: environmentOf(tenant),
    linger: !tenant.suspended,
    open: !tenant.suspended,
  }
}

async function serve(
  host: Host,
  layout: SlotLayout,
  tenants: readonly Tenant[],
  signal: AbortSignal,
): Promise<Step<Served>> {
  const slots = tenants.map(({ slot }) => slot)
  const users = planPool(slots, await readPool(host, layout, slots, { signal }), noReservations)
  const logins = await readLogins(host, slots)
  const blocked = new Set(users.blocked.map(({ n }) => n))
  const shown = planLogins(tenants.filter(({ slot }) => !blocked.has(slot.n)).map(loginOf), logins)
  // Only a user that is exactly ours is touched, whatever the row says: a person may have the uid of a slot.
  const ours = tenants.filter(({ slot }) => users.ready.includes(slot.n))
  const plan = planLogins(ours.map(loginOf), logins)
  const suspended = ours.filter((tenant) => tenant.suspended).map(({ slot }) => slot)
  return {
    changes: shown.changes,
    apply: async () => {
      const results = new Map((await applyLogins(host, plan, { signal })).map((result) => [result.n, result]))
      for (const { n, message } of plan.refused) results.set(n, { n, status: 'failed', changed: false, message })
      const left = await endSuspended(host, suspended, signal)
      const accounts = tenants.map(({ id, slot }): [number, Verdict] => {
        const result = results.get(slot.n)
        if (!users.ready.includes(slot.n)) return [id, failed('user_wrong', messageOf(users, slot.n))]
        if (result?.status !== 'ready') return [id, failed('login_failed', result?.message ?? 'its login was not made')]
        if (left.has(slot.uid)) return [id, failed('processes_left', 'some of its processes do not end')]
        return [id, { type: name, status: 'true', reason: suspended.includes(slot) ? 'suspended' : 'applied' }]
      })
      return { accounts: new Map(accounts), domains: new Map(), gone: [] }
    },
  }
}

function failed(reason: string, message: string): Verdict {
  return { type: name, status: 'false', reason, message }
}

function messageOf(plan: PoolPlan, n: number): string {
  return plan.blocked.find((blocked) => blocked.n === n)?.message ?? 'its user or home is not as it should be'
}

/** The uids that still have processes. Below a root folder a uid may be a person's here, so nothing is ended there. */
async function endSuspended(host: Host, slots: readonly Slot[], signal: AbortSignal): Promise<ReadonlySet<number>> {
  if (!host.live || slots.length === 0) return new Set()
  const { left } = await endProcesses(
    host,
    slots.map(({ uid }) => uid),
    { signal },
  )
  return new Set(left.map(({ uid }) => uid))
}

async function evictSlots(
  host: Host,
  slots: readonly Slot[],
  signal: AbortSignal,
): Promise<Step<ReadonlyMap<number, Given>>> {
  return {
    changes: slots.map(({ user }) => ({ facility: name, target: user, action: 'end its logins and processes' })),
    apply: async () => {
      const results = await evict(host, slots, { signal })
      return new Map(
        results.map(({ n, status, message }) => [
          n,
          { done: status !== 'failed', ...(message === undefined ? {} : { message }) },
        ]),
      )
    },
  }
}

async function scrubSlots(
  host: Host,
  layout: SlotLayout,
  slots: readonly Slot[],
  signal: AbortSignal,
): Promise<Step<ReadonlyMap<number, Given>>> {
  return {
    changes: slots.map(({ user }) => ({ facility: name, target: user, action: 'remove what it left' })),
    apply: async () => {
      const results = await scrub(host, layout, slots, { signal })
      return new Map(
        results.map(({ n, status, left }) => [
          n,
          status === 'clean' ? { done: true } : { done: false, message: left.slice(0, 10).join('; ') },
        ]),
      )
    },
  }
}

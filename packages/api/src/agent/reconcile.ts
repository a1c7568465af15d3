import { isDeepStrictEqual } from 'node:util'
import { slotAt, slotCount, type Slot } from '@puppy/accounts'
import { looked, updateConditions, type Verdict } from '../conditions.ts'
import type { Database } from '../database/pool.ts'
import { accountsToVisit, purgeAccounts, recordObservations, type AccountRow } from '../store/accounts.ts'
import { domainsOfHost, purgeDomains, type DomainRow } from '../store/domains.ts'
import {
  findHost,
  recordHost,
  recordPlan,
  type FacilityState,
  type HostRow,
  type PlannedChange,
} from '../store/hosts.ts'
import { notify, observed } from '../store/notify.ts'
import {
  assignWaiting,
  countSlots,
  countWaiting,
  insertSlots,
  readDemand,
  recordSlots,
  slotsToScrub,
  slotsToVisit,
  wallsOfHost,
  type SlotRow,
  type SlotUpdate,
} from '../store/slots.ts'
import type { Facility, Served, SlotVerdict, Step } from './facilities/facility.ts'
import { checkView } from './view.ts'

export interface ReconcileContext {
  readonly database: Database
  readonly host: string
  /** In the order in which walls are built; `evict` goes through them backwards. This list is the one place of the order. */
  readonly facilities: readonly Facility[]
  readonly dryRun: boolean
  readonly log: (line: string, facts?: object) => void
}

export interface PassOptions {
  /** Look at everything, not only at what is behind. */
  readonly complete: boolean
  /** Only plan, whatever the host is: nothing is applied and nothing recorded but the plan. */
  readonly planOnly?: boolean
  readonly signal: AbortSignal
}

/** What was found out of the facilities; kept between passes and renewed by complete ones. */
export interface Ground {
  readonly states: Readonly<Record<string, FacilityState>>
  readonly conditions: readonly Verdict[]
  /** What was last put right, by facility. */
  readonly repairs: Readonly<Record<string, Repair>>
}

/** Somebody else's change that was undone. */
interface Repair {
  readonly at: Date
  readonly what: string
}

/** How long the host's conditions tell of a repair. */
const repairToldFor = 24 * 3_600_000

/** Everything that one pass carries along. */
interface Acting extends ReconcileContext, PassOptions {
  readonly row: HostRow
  /** Filled as the facilities plan. */
  readonly changes: PlannedChange[]
  readonly recording: boolean
}

interface Pass extends Acting {
  readonly working: readonly Facility[]
}

/**
 * Makes the host match the database once: what is behind, or everything.
 *
 * Observes each facility once, plans, applies in one batch each, and records what was seen in a few statements. Being
 * killed anywhere costs nothing: what was not recorded is still behind, and every step finds its own work done.
 */
export async function reconcile(context: ReconcileContext, options: PassOptions, before?: Ground): Promise<Ground> {
  const row = await findHost(context.database, context.host)
  if (row === undefined) throw new Error(`The host ${context.host} is not registered any more`)
  const changes: PlannedChange[] = []
  const recording = options.planOnly !== true
  const acting = { ...context, ...options, row, changes, recording, dryRun: context.dryRun || !recording }
  const prepared = options.complete || before === undefined ? await prepare(acting, before?.repairs ?? {}) : before
  const pass: Pass = {
    ...acting,
    working: context.facilities.filter(({ name }) => prepared.states[name]?.works === true),
  }
  const demand = await readDemand(context.database, context.host)
  const waiting = recording && demand.waiting > 0 ? await assign(pass) : 0
  if (options.complete || waiting > 0) await growAndBuild(pass)
  const repairs = await serve(pass)
  const none = Object.keys(repairs).length === 0
  const ground = none ? prepared : { ...prepared, repairs: { ...prepared.repairs, ...repairs } }
  if (options.complete || demand.released > 0) await evict(pass)
  if (recording && (options.complete || demand.deleted > 0)) await purge(pass)
  if (recording && (options.complete || !looked(row))) await recordGround(pass, ground)
  if (!recording || context.dryRun) await recordPlan(context.database, context.host, row.planWanted, changes)
  await notify(context.database, observed, context.host)
  return ground
}

/** Builds slots ahead of demand and those that were scrubbed: for nobody in particular, so at a moment when nobody waits. */
export async function refill(context: ReconcileContext, ground: Ground, signal: AbortSignal): Promise<void> {
  const row = await findHost(context.database, context.host)
  if (row === undefined) return
  const working = context.facilities.filter(({ name }) => ground.states[name]?.works === true)
  await growAndBuild({ ...context, row, working, signal, complete: false, changes: [], recording: true })
}

/** Runs one facility's part. What it throws concerns only what it was given, and is told as `fallback` makes it. */
async function attempt<Result>(
  pass: Pick<Pass, 'dryRun' | 'log' | 'signal'> & { readonly changes: PlannedChange[] },
  facility: string,
  step: () => Promise<Step<Result>>,
  otherwise: { readonly planned: Result; readonly failed: (message: string) => Result },
): Promise<Result> {
  try {
    const planned = await step()
    pass.changes.push(...planned.changes)
    return pass.dryRun ? (planned.foreseen ?? otherwise.planned) : await planned.apply()
  } catch (error) {
    pass.signal.throwIfAborted()
    const message = error instanceof Error ? error.message : 'it failed without a word'
    pass.log(`${facility} failed`, { error: message, stack: error instanceof Error ? error.stack : undefined })
    return otherwise.failed(message)
  }
}

async function prepare(acting: Acting, repairs: Ground['repairs']): Promise<Ground> {
  const { signal } = acting
  const states: Record<string, FacilityState> = {}
  const conditions: Verdict[] = []
  for (const facility of acting.facilities) {
    const state = await probeSafely(facility, signal)
    states[facility.name] = state
    if (!state.works) {
      conditions.push({
        type: facility.name,
        status: 'false',
        reason: 'missing',
        message: state.reason ?? 'it does not work here',
      })
      continue
    }
    const prepared = await attempt<Verdict>(
      acting,
      facility.name,
      async () => {
        const step = (await facility.prepare?.(signal)) ?? { changes: [], apply: async () => [] }
        return { changes: step.changes, apply: async () => remarked(facility.name, await step.apply()) }
      },
      {
        planned: { type: facility.name, status: 'unknown', reason: 'dry_run' },
        failed: (message) => ({ type: facility.name, status: 'false', reason: 'failed', message }),
      },
    )
    conditions.push(prepared)
  }
  const told = Object.entries(repairs).filter(([, { at }]) => Date.now() - at.getTime() < repairToldFor)
  return { states, conditions, repairs: Object.fromEntries(told) }
}

async function probeSafely(facility: Facility, signal: AbortSignal): Promise<FacilityState> {
  try {
    return await facility.probe(signal)
  } catch (error) {
    signal.throwIfAborted()
    return { works: false, reason: error instanceof Error ? error.message : 'it cannot be looked at' }
  }
}

function remarked(type: string, remarks: readonly string[]): Verdict {
  if (remarks.length === 0) return { type, status: 'true', reason: 'prepared' }
  return { type, status: 'true', reason: 'degraded', message: remarks.join('; ') }
}

/** Gives free slots to accounts that wait for one. Gives how many still wait. */
async function assign({ database, host }: Pass): Promise<number> {
  await database.transaction((tx) => assignWaiting(tx, host))
  return countWaiting(database, host)
}

async function growAndBuild(pass: Pass): Promise<void> {
  if (pass.recording) await grow(pass)
  await build(pass)
  if (pass.recording) await assign(pass)
}

/** Enters as many new slots as are wanted free and waited for; when some are lacking, a whole batch. */
async function grow({ database, host, row, log }: Pass): Promise<void> {
  const { free, building, dirty } = await countSlots(database, host)
  const waiting = await countWaiting(database, host)
  // A released slot comes back by itself and counts as free, but an account that waits need not wait for a scrub.
  const lacking = waiting + row.poolFree - free - building - dirty
  const wanted = Math.max(lacking > 0 ? Math.max(lacking, row.poolFree) : 0, waiting - free - building)
  if (wanted <= 0) return
  const added = await insertSlots(database, host, wanted, Math.min(row.poolMax, slotCount(row.layout)))
  if (added > 0) log('slots added', { added })
}

async function build(pass: Pass): Promise<void> {
  const { database, host, row } = pass
  // Without anybody who builds, a slot would be free and nothing of it there.
  if (!pass.dryRun && !pass.working.some((facility) => facility.build !== undefined)) return
  const rows = await slotsToVisit(database, host, pass.complete)
  const slots = rows
    .filter(({ state, n }) => state !== 'dirty' && n < slotCount(row.layout))
    .map(({ n, state }) => ({ slot: slotAt(row.layout, n), state }))
  if (slots.length > 0) {
    const verdicts = new Map<number, SlotVerdict>()
    for (const facility of pass.working) {
      // A slot that one facility refused is not shown to the next.
      const left = slots.filter(({ slot }) => (verdicts.get(slot.n)?.status ?? 'ready') === 'ready')
      if (facility.build === undefined || left.length === 0) continue
      const build = facility.build
      const found = await attempt<ReadonlyMap<number, SlotVerdict>>(
        pass,
        facility.name,
        () => build(left, pass.signal),
        {
          planned: new Map(),
          failed: (message) =>
            new Map(left.map(({ slot }) => [slot.n, { status: 'failed', reason: 'build_failed', message }])),
        },
      )
      for (const [n, verdict] of found) verdicts.set(n, verdict)
    }
    if (pass.recording)
      await recordSlots(
        database,
        host,
        rows.flatMap((slot) => built(slot, verdicts.get(slot.n))),
      )
  }
}

/** Taken slots stay taken whatever is found; their accounts' conditions tell. */
function built(row: SlotRow, verdict: SlotVerdict | undefined): readonly SlotUpdate[] {
  if (row.state === 'dirty' || row.state === 'taken') return []
  const status = verdict?.status ?? 'ready'
  const to = status === 'ready' ? 'free' : status === 'blocked' ? 'blocked' : 'building'
  return [
    {
      n: row.n,
      from: row.state,
      to,
      evicted: true,
      reason: verdict?.reason ?? null,
      message: verdict?.message ?? null,
    },
  ]
}

/** Gives what was repaired, by facility. */
async function serve(pass: Pass): Promise<Ground['repairs']> {
  const { database, host, row } = pass
  const repairs: Record<string, Repair> = {}
  // One moment for both: a domain seen without its account would count as done, and the account would not know of it.
  const { accounts, domains, walls } = await database.snapshot(async (tx) => ({
    accounts: await accountsToVisit(tx, host, pass.complete),
    domains: await domainsOfHost(tx, host),
    walls: await wallsOfHost(tx, host),
  }))
  const { view, refusedAccounts, refusedDomains } = checkView(row.layout, accounts, domains, {
    complete: pass.complete,
    walls,
  })
  const verdicts = { accounts: listsOf(refusedAccounts), domains: listsOf(refusedDomains) }
  const gone: number[] = []
  for (const facility of pass.working) {
    if (facility.serve === undefined) continue
    const serveAll = facility.serve
    const { judges = ['accounts', 'domains'], condition: type = facility.name } = facility
    const everybody = (verdict: Verdict): Served => ({
      accounts: new Map(judges.includes('accounts') ? view.tenants.map(({ id }) => [id, verdict]) : []),
      domains: new Map(judges.includes('domains') ? view.routes.map(({ id }) => [id, verdict]) : []),
      gone: [],
    })
    const served = await attempt<Served>(pass, facility.name, () => serveAll(view, pass.signal), {
      planned: everybody({ type, status: 'unknown', reason: 'dry_run' }),
      failed: (message) => everybody({ type, status: 'false', reason: 'failed', message }),
    })
    for (const [id, verdict] of served.accounts) append(verdicts.accounts, id, verdict)
    for (const [id, verdict] of served.domains) append(verdicts.domains, id, verdict)
    gone.push(...served.gone)
    if (served.repaired !== undefined) {
      const repair = { at: new Date(), what: served.repaired }
      repairs[facility.name] = repair
      pass.log(`${facility.name} was changed by others and has been repaired`, { level: 'warning', ...repair })
    }
  }
  const routed = pass.working.some(({ name }) => name === 'haproxy')
  if (pass.dryRun || !routed) gone.push(...view.goneRoutes.map(({ id }) => id))
  const missing: Verdict = {
    type: 'haproxy',
    status: 'false',
    reason: 'missing',
    message: 'there is no HAProxy that could route it',
  }
  if (!routed) for (const { id } of view.routes) append(verdicts.domains, id, missing)
  if (!pass.recording) return repairs
  await record(pass, accounts, domains, verdicts)
  await purgeDomains(database, gone)
  return repairs
}

interface Verdicts {
  readonly accounts: Map<number, Verdict[]>
  readonly domains: Map<number, Verdict[]>
}

function listsOf(verdicts: ReadonlyMap<number, Verdict>): Map<number, Verdict[]> {
  return new Map([...verdicts].map(([id, verdict]) => [id, [verdict]]))
}

function append(lists: Map<number, Verdict[]>, id: number, verdict: Verdict): void {
  const list = lists.get(id)
  if (list === undefined) lists.set(id, [verdict])
  else list.push(verdict)
}

async function record(
  { database }: Pass,
  accounts: readonly AccountRow[],
  domains: readonly DomainRow[],
  verdicts: Verdicts,
): Promise<void> {
  const now = new Date()
  const observe = (rows: readonly (AccountRow | DomainRow)[], found: Map<number, Verdict[]>) =>
    rows
      .filter(({ deletedAt }) => deletedAt === null)
      .map((row) => ({ row, conditions: updateConditions(row.conditions, found.get(row.id) ?? [], now) }))
      .filter(({ row, conditions }) => !looked(row) || !isDeepStrictEqual(row.conditions, conditions))
      .map(({ row: { id, generation }, conditions }) => ({ id, generation, conditions }))
  await recordObservations(database, 'accounts', observe(accounts, verdicts.accounts))
  await recordObservations(database, 'domains', observe(domains, verdicts.domains))
}

/**
 * Teardown is the mirror image: the facility that was served last lets go first. A complete pass evicts again what was
 * evicted: a dry run, or an agent that lacked a facility, said so without doing it.
 */
async function evict(pass: Pass): Promise<void> {
  const { database, host, row } = pass
  // While the one that ends processes does not work, nobody may believe that they have ended.
  if (pass.facilities.some((one) => one.clears === true && !pass.working.includes(one))) return
  const rows = (await slotsToVisit(database, host, pass.complete)).filter(
    ({ state, n }) => state === 'dirty' && n < slotCount(row.layout),
  )
  if (rows.length === 0) return
  const given = await giveBack(
    pass,
    rows.map(({ n }) => slotAt(row.layout, n)),
    'evict',
  )
  if (!pass.recording) return
  await recordSlots(
    database,
    host,
    rows.flatMap(({ n, evicted }): readonly SlotUpdate[] => {
      const message = given.get(n)
      if (message !== undefined)
        return [{ n, from: 'dirty', to: 'dirty', evicted: false, reason: 'evict_failed', message }]
      // One that was evicted before keeps what its scrub said.
      return evicted ? [] : [{ n, from: 'dirty', to: 'dirty', evicted: true, reason: null, message: null }]
    }),
  )
}

/** Gives what went wrong, by slot. What one facility could not remove the next need not look for. */
async function giveBack(
  pass: Pick<Pass, 'working' | 'dryRun' | 'log' | 'signal'> & { readonly changes: PlannedChange[] },
  slots: readonly Slot[],
  how: 'evict' | 'scrub',
): Promise<ReadonlyMap<number, string>> {
  const trouble = new Map<number, string>()
  for (const facility of how === 'evict' ? pass.working.toReversed() : pass.working) {
    const act = facility[how]
    const left = how === 'evict' ? slots : slots.filter(({ n }) => !trouble.has(n))
    if (act === undefined || left.length === 0) continue
    const given = await attempt(pass, facility.name, () => act(left, pass.signal), {
      planned: new Map(),
      failed: (message) => new Map(left.map(({ n }) => [n, { done: false, message }])),
    })
    for (const [n, { done, message }] of given) if (!done) trouble.set(n, `${facility.name}: ${message ?? 'not done'}`)
  }
  return trouble
}

/** Scrubs slots that were evicted; they are built anew afterwards. Gives how many it looked at. */
export async function scrub(context: ReconcileContext, ground: Ground, signal: AbortSignal): Promise<number> {
  const { database, host } = context
  const works = ({ name }: Facility) => ground.states[name]?.works === true
  // Nothing is proven clean by a plan, nor while the one that cleans does not work.
  if (context.dryRun || context.facilities.some((one) => one.clears === true && !works(one))) return 0
  const row = await findHost(database, host)
  if (row === undefined) return 0
  const rows = (await slotsToScrub(database, host)).filter(({ n }) => n < slotCount(row.layout))
  if (rows.length === 0) return 0
  const working = context.facilities.filter(works)
  const trouble = await giveBack(
    { ...context, working, signal, changes: [] },
    rows.map(({ n }) => slotAt(row.layout, n)),
    'scrub',
  )
  await recordSlots(
    database,
    host,
    rows.map(({ n }) => {
      const message = trouble.get(n)
      if (message === undefined) return { n, from: 'dirty', to: 'building', evicted: true, reason: null, message: null }
      // The time in the message makes the row differ, so its next try is counted from now.
      return {
        n,
        from: 'dirty',
        to: 'dirty',
        evicted: true,
        reason: 'scrub_failed',
        message: `${message} (${new Date().toISOString()})`,
      }
    }),
  )
  return rows.length
}

async function purge({ database, host, log }: Pass): Promise<void> {
  const removed = await purgeAccounts(database, host)
  if (removed > 0) log('accounts removed', { removed })
}

async function recordGround({ database, host, row }: Pass, ground: Ground): Promise<void> {
  const verdicts = ground.conditions.map((verdict) => withRepair(verdict, ground.repairs[verdict.type]))
  const conditions = updateConditions(row.conditions, verdicts, new Date())
  await recordHost(database, host, { generation: row.generation, facilities: ground.states, conditions })
}

function withRepair(verdict: Verdict, repair: Repair | undefined): Verdict {
  if (repair === undefined) return verdict
  const told = `changed by others and repaired at ${repair.at.toISOString()}: ${repair.what}`
  const message = verdict.message === undefined ? told : `${told}; ${verdict.message}`
  return { ...verdict, reason: verdict.reason === 'prepared' ? 'repaired' : verdict.reason, message }
}

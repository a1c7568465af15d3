import { isDeepStrictEqual } from 'node:util'
import { updateConditions, type Verdict } from '@puppy/state'
import { accountsToVisit, recordObservations, type AccountToVisit } from '@puppy/state/store/accounts'
import { domainsOfHost, purgeDomains, type DomainToServe } from '@puppy/state/store/domains'
import {
  findHost,
  recordDrift,
  recordHost,
  recordPlan,
  type FacilityState,
  type PlannedChange,
} from '@puppy/state/store/hosts'
import { notify, observed } from '@puppy/state/store/notify'
import { readDemand, readBuiltSlots } from '@puppy/state/store/slots'
import type { Facility, Served } from './facilities/facility.ts'
import { evict, purge } from './release.ts'
import {
  attempt,
  partOf,
  recordAll,
  type PassInput,
  type HostStatus,
  type Pass,
  type PassOptions,
  type ReconcileContext,
  type Repair,
} from './pass.ts'
import { assign, growAndBuild } from './slots.ts'
import { checkView } from './view.ts'

/** How long the host's conditions show a repair, in milliseconds. */
const repairToldFor = 24 * 3_600_000

/**
 * Makes the host match the database once: for rows that changed since they were observed, or in a complete pass for everything.
 *
 * Each facility observes once, plans, and applies in one batch. The results are recorded in a few statements. The agent may be killed at
 * any point: the next pass visits what was not recorded, and each step finds the work that was already done.
 */
export async function reconcile(
  context: ReconcileContext,
  options: PassOptions,
  before?: HostStatus,
): Promise<HostStatus> {
  const row = await findHost(context.database, context.host)
  if (row === undefined) throw new HostGone(context.host)
  const changes: PlannedChange[] = []
  const recording = options.planOnly !== true
  const failures: Record<string, string> = {}
  const input = { ...context, ...options, row, changes, recording, failures, dryRun: context.dryRun || !recording }
  const prepared = options.complete || before === undefined ? await prepare(input, before?.repairs ?? {}) : before
  const pass: Pass = {
    ...input,
    working: context.facilities.filter(({ name }) => prepared.states[name]?.works === true),
  }
  // If the demand cannot be read, each part looks for its own work.
  const demand = await partOf(pass, 'read the demand', () => readDemand(context.database, context.host), {
    waiting: 1,
    released: 1,
    deleted: 1,
  })
  const waiting = recording && demand.waiting > 0 ? await partOf(pass, 'assign slots', () => assign(pass), 1) : 0
  const beforeBuilding = changes.length
  if (options.complete || waiting > 0) await partOf(pass, 'build slots', () => growAndBuild(pass), undefined)
  const grew = changes.length > beforeBuilding
  const { repairs, allObserved } = await partOf(pass, 'serve', () => serve(pass), { repairs: {}, allObserved: false })
  // Changes for a new slot or a changed row are ordinary work. All other changes are drift.
  const drift = options.complete && !input.dryRun && !grew && allObserved ? changes.length : undefined
  if (options.complete || demand.released > 0) await partOf(pass, 'evict', () => evict(pass), undefined)
  if (recording && (options.complete || demand.deleted > 0)) await partOf(pass, 'purge', () => purge(pass), undefined)
  const hostStatus = { ...prepared, repairs: { ...prepared.repairs, ...repairs }, failures }
  const { database, host } = context
  const news = options.complete || !isLooked(row) || !isDeepStrictEqual(failures, prepared.failures)
  if (recording && news) await partOf(pass, 'record the host', () => recordHostStatus(pass, hostStatus), undefined)
  if (drift !== undefined) await partOf(pass, 'record drift', () => recordDrift(database, host, drift), undefined)
  if (!recording || context.dryRun)
    await partOf(pass, 'record the plan', () => recordPlan(database, host, row.planWanted, changes), undefined)
  // Only a hint: the API also polls.
  await partOf(pass, 'notify', () => notify(database, observed, host), undefined)
  return hostStatus
}

/** The host was deleted from the database. */
export class HostGone extends Error {
  static {
    this.prototype.name = 'HostGone'
  }

  constructor(host: string) {
    super(`Host ${host} is no longer registered in the database; start its agent again to register it`)
  }
}

/** Returns whether the host has observed exactly this spec. A generation above that of the spec was observed before the row was restored. */
function isLooked({
  generation,
  observedGeneration,
}: Pick<AccountToVisit, 'generation' | 'observedGeneration'>): boolean {
  return observedGeneration === generation
}

async function prepare(input: PassInput, repairs: HostStatus['repairs']): Promise<HostStatus> {
  const { signal } = input
  const states: Record<string, FacilityState> = {}
  const conditions: Verdict[] = []
  for (const facility of input.facilities) {
    const before = await probeSafely(facility, signal)
    states[facility.name] = before
    if (!before.works && facility.installs !== true) {
      conditions.push(missing(facility, before))
      continue
    }
    const prepared = await attempt<Verdict>(
      input,
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
    const state = before.works ? before : await probeSafely(facility, signal)
    states[facility.name] = state
    const remark = prepared.reason === 'degraded' ? prepared.message : undefined
    const why = remark === undefined ? state : { ...state, reason: remark }
    conditions.push(state.works || ['failed', 'dry_run'].includes(prepared.reason) ? prepared : missing(facility, why))
  }
  const told = Object.entries(repairs).filter(([, { at }]) => Date.now() - at.getTime() < repairToldFor)
  return { states, conditions, repairs: Object.fromEntries(told), failures: {} }
}

function missing({ name }: Facility, { reason }: FacilityState): Verdict {
  const message = reason ?? `${name} does not work on this host and reported no reason`
  return { type: name, status: 'false', reason: 'missing', message }
}

async function probeSafely(facility: Facility, signal: AbortSignal): Promise<FacilityState> {
  try {
    return await facility.probe(signal)
  } catch (error) {
    signal.throwIfAborted()
    return {
      works: false,
      reason: error instanceof Error ? error.message : 'the probe failed without an error message',
    }
  }
}

function remarked(type: string, remarks: readonly string[]): Verdict {
  if (remarks.length === 0) return { type, status: 'true', reason: 'prepared' }
  return { type, status: 'true', reason: 'degraded', message: remarks.join('; ') }
}

interface ServedAll {
  /** The repairs of this pass, by facility. */
  readonly repairs: HostStatus['repairs']
  /** Whether every row of the pass had been observed before it. */
  readonly allObserved: boolean
}

/** Applies the spec of the rows, facility by facility. */
async function serve(pass: Pass): Promise<ServedAll> {
  const { database, host, row } = pass
  const repairs: Record<string, Repair> = {}
  // One snapshot for both: a domain read without its account would count as applied, and the account would not have it.
  const { accounts, domains, builtSlots } = await database.snapshot(async (tx) => ({
    accounts: await accountsToVisit(tx, host, pass.complete),
    domains: await domainsOfHost(tx, host),
    builtSlots: await readBuiltSlots(tx, host),
  }))
  const { view, refusedAccounts, refusedDomains } = checkView(row.layout, accounts, domains, {
    complete: pass.complete,
    builtSlots,
  })
  const allObserved = [...accounts, ...domains].every(isObserved)
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
      pass.log(`${facility.name}: repaired a change from outside Puppy`, { level: 'warning', ...repair })
    }
  }
  const routed = pass.working.some(({ name }) => name === 'haproxy')
  if (pass.dryRun || !routed) gone.push(...view.goneRoutes.map(({ id }) => id))
  const missing: Verdict = {
    type: 'haproxy',
    status: 'false',
    reason: 'missing',
    message:
      'HAProxy does not work on this host, so the domain is not routed; run "npm run puppy -- doctor" there for the reason',
  }
  if (!routed) for (const { id } of view.routes) append(verdicts.domains, id, missing)
  if (!pass.recording) return { repairs, allObserved }
  await record(pass, accounts, domains, verdicts)
  await purgeDomains(database, gone)
  return { repairs, allObserved }
}

/** Returns whether the host has applied the spec of a row and the row is not deleted. */
function isObserved(row: AccountToVisit | DomainToServe): boolean {
  return isLooked(row) && row.deletedAt === null
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
  pass: Pass,
  accounts: readonly AccountToVisit[],
  domains: readonly DomainToServe[],
  verdicts: Verdicts,
): Promise<void> {
  const now = new Date()
  const observe = (rows: readonly (AccountToVisit | DomainToServe)[], found: Map<number, Verdict[]>) =>
    rows
      .filter(({ deletedAt }) => deletedAt === null)
      .map((row) => ({ row, conditions: updateConditions(row.conditions, found.get(row.id) ?? [], now) }))
      .filter(({ row, conditions }) => !isLooked(row) || !isDeepStrictEqual(row.conditions, conditions))
      .map(({ row: { id, generation }, conditions }) => ({ id, generation, conditions }))
  for (const [table, seen] of [
    ['accounts', observe(accounts, verdicts.accounts)],
    ['domains', observe(domains, verdicts.domains)],
  ] as const)
    await recordAll(pass, table, seen, (db, some) => recordObservations(db, table, some))
}

async function recordHostStatus({ database, host, row }: Pass, hostStatus: HostStatus): Promise<void> {
  const verdicts = [
    ...hostStatus.conditions.map((verdict) => withRepair(verdict, hostStatus.repairs[verdict.type])),
    ...failureOf(hostStatus.failures),
  ]
  const conditions = updateConditions(row.conditions, verdicts, new Date())
  await recordHost(database, host, { generation: row.generation, facilities: hostStatus.states, conditions })
}

/** Returns the condition of a pass of which a part failed. */
function failureOf(failures: HostStatus['failures']): readonly Verdict[] {
  const parts = Object.entries(failures)
  if (parts.length === 0) return []
  const message = parts.map(([part, why]) => `${part}: ${why}`).join('; ')
  return [{ type: 'agent', status: 'false', reason: 'pass_failed', message: `the agent tries again: ${message}` }]
}

function withRepair(verdict: Verdict, repair: Repair | undefined): Verdict {
  if (repair === undefined) return verdict
  const told = `repaired at ${repair.at.toISOString()} after a change from outside Puppy: ${repair.what}`
  const message = verdict.message === undefined ? told : `${told}; ${verdict.message}`
  return { ...verdict, reason: verdict.reason === 'prepared' ? 'repaired' : verdict.reason, message }
}

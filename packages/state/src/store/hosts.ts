import { isDeepStrictEqual } from 'node:util'
import type { SlotLayout } from '@puppy/accounts/slots'
import type { Condition } from '../conditions.ts'
import type { Queryable } from '../database/pool.ts'
import { largestNumber, nextGeneration, observedGeneration } from './bounds.ts'
import { renderJson } from './record.ts'

/** `folder`: below a root folder, where only files change. */
type HostMode = 'live' | 'folder' | 'dry_run'

/** What a facility reported about itself on a host. */
export interface FacilityState {
  readonly works: boolean
  readonly version?: string
  readonly reason?: string
  readonly remedy?: string
}

/** One planned difference between spec and observation. */
export interface PlannedChange {
  readonly facility: string
  readonly target: string
  readonly action: string
  readonly before?: string
  readonly after?: string
  readonly command?: string
}

export interface HostRow {
  readonly name: string
  readonly machineId: string
  readonly layout: SlotLayout
  readonly mode: HostMode
  readonly poolFree: number
  readonly poolMax: number
  readonly facilities: Readonly<Record<string, FacilityState>>
  readonly conditions: readonly Condition[]
  readonly generation: number
  readonly observedGeneration: number
  readonly planWanted: number
  readonly planMade: number
  readonly changes: readonly PlannedChange[]
  readonly heartbeatAt: Date | null
  /** When the agent last observed the whole host. */
  readonly lookedAt: Date | null
  /** Changes that the last complete reconciliation made although every row had been observed. */
  readonly driftLast: number
  /** The changes of all such reconciliations. */
  readonly driftTotal: number
  /** The number of complete reconciliations before which every row had been observed. */
  readonly completeTotal: number
  /** Whether the agent has reported in the last 10 seconds, by the clock of the database. */
  readonly alive: boolean
}

const columns = `name, machine_id as "machineId", layout, mode, pool_free as "poolFree", pool_max as "poolMax", facilities,
  conditions, generation, observed_generation as "observedGeneration", plan_wanted as "planWanted", plan_made as "planMade",
  changes, heartbeat_at as "heartbeatAt", looked_at as "lookedAt", drift_last as "driftLast",
  drift_total::float8 as "driftTotal", complete_total::float8 as "completeTotal", coalesce(heartbeat_at > now() - interval '10 seconds', false) as alive`

export function listHosts(db: Queryable): Promise<readonly HostRow[]> {
  return db.query<HostRow>(`select ${columns} from hosts order by name`)
}

export async function findHost(db: Queryable, name: string): Promise<HostRow | undefined> {
  return (await db.query<HostRow>(`select ${columns} from hosts where name = $1`, [name]))[0]
}

export interface Registration {
  readonly name: string
  readonly machineId: string
  readonly layout: SlotLayout
  readonly mode: HostMode
  readonly poolFree: number
  readonly poolMax: number
}

/**
 * Inserts a host. If it exists, updates its mode and, while it has no slots, its layout. Changes nothing if another machine has the name.
 * Returns the row that has the name.
 *
 * Writes nothing when the row is right, so that another session that has locked the row does not delay the start of an agent.
 */
export async function registerHost(db: Queryable, host: Registration): Promise<HostRow | undefined> {
  const found = await findHost(db, host.name)
  if (found !== undefined && found.mode === host.mode && isDeepStrictEqual(found.layout, host.layout)) return found
  await db.query(
    `insert into hosts (name, machine_id, layout, mode, pool_free, pool_max) values ($1, $2, $3, $4, $5, $6)
     on conflict (name) do update set mode = excluded.mode,
       layout = case when exists (select 1 from slots where host = hosts.name) then hosts.layout else excluded.layout end
     where hosts.machine_id = excluded.machine_id`,
    [host.name, host.machineId, JSON.stringify(host.layout), host.mode, host.poolFree, host.poolMax],
  )
  return findHost(db, host.name)
}

export async function beat(db: Queryable, name: string): Promise<void> {
  await db.query('update hosts set heartbeat_at = now() where name = $1', [name])
}

export interface HostObservation {
  readonly generation: number
  readonly facilities: Readonly<Record<string, FacilityState>>
  readonly conditions: readonly Condition[]
}

/** Records an observation and a heartbeat. The observed generation never decreases, unless it is above that of the row. */
export async function recordHost(db: Queryable, name: string, seen: HostObservation): Promise<void> {
  const observed = 'case when observed_generation > generation then $2 else greatest(observed_generation, $2) end'
  await db.query(
    `update hosts set observed_generation = ${observedGeneration('generation', observed)}, facilities = $3, conditions = $4, heartbeat_at = now(), looked_at = now()
     where name = $1`,
    [name, seen.generation, renderJson(seen.facilities), renderJson(seen.conditions)],
  )
}

/** Records how many changes a complete reconciliation made although every row had been observed. */
export async function recordDrift(db: Queryable, name: string, changes: number): Promise<void> {
  await db.query(
    'update hosts set drift_last = $2::integer, drift_total = drift_total + $2::integer, complete_total = complete_total + 1 where name = $1',
    [name, changes],
  )
}

/** Asks the agent to plan its changes. Returns the number that `planMade` has reached when they are planned. */
export async function askForPlan(db: Queryable, name: string): Promise<number | undefined> {
  const rows = await db.query<{ wanted: number }>(
    `update hosts set plan_wanted = ${nextGeneration('plan_wanted', 'plan_made')} where name = $1 returning plan_wanted as wanted`,
    [name],
  )
  return rows[0]?.wanted
}

/** Records a plan. `planMade` never decreases, unless it is above `planWanted`. */
export async function recordPlan(
  db: Queryable,
  name: string,
  made: number,
  changes: readonly PlannedChange[],
): Promise<void> {
  await db.query(
    `update hosts set plan_made = case when plan_wanted not between 0 and ${largestNumber} then plan_wanted
       when plan_made > plan_wanted then $2 else greatest(plan_made, $2) end, changes = $3 where name = $1`,
    [name, made, renderJson(changes)],
  )
}

export async function setPool(
  db: Queryable,
  name: string,
  pool: { readonly free: number; readonly max: number },
): Promise<boolean> {
  const rows = await db.query(
    `update hosts set pool_free = $2, pool_max = $3, generation = ${nextGeneration('generation', 'observed_generation')}
     where name = $1 and (pool_free, pool_max) is distinct from ($2, $3) returning name`,
    [name, pool.free, pool.max],
  )
  return rows.length > 0
}

/** Returns the host for a new account. Prefers a host that is alive, then most free slots, then most room for another account. */
export async function chooseHost(db: Queryable): Promise<HostRow | undefined> {
  const rows = await db.query<HostRow>(
    `select ${columns} from hosts order by alive desc,
       (select count(*) from slots where host = hosts.name and state = 'free') desc,
       pool_max - (select count(*) from slots where host = hosts.name and state in ('taken', 'blocked'))
         - (select count(*) from accounts where host = hosts.name and slot is null and deleted_at is null) desc,
       name limit 1`,
  )
  return rows[0]
}

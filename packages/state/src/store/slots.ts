import type { Queryable } from '../database/pool.ts'
import { largestSpec } from './bounds.ts'
import { renderJson } from './record.ts'

export type SlotState = 'building' | 'free' | 'taken' | 'dirty' | 'blocked'

export interface SlotRow {
  readonly n: number
  readonly state: SlotState
  readonly evicted: boolean
  readonly reason: string | null
  readonly message: string | null
  readonly usedAt: Date | null
}

const columns = `n, state, evicted, reason, message, used_at as "usedAt"`

export function listSlots(db: Queryable, host: string): Promise<readonly SlotRow[]> {
  return db.query<SlotRow>(`select ${columns} from slots where host = $1 order by n`, [host])
}

/** Returns the slots to build or to evict, or every slot with `all`. */
export function slotsToVisit(db: Queryable, host: string, all: boolean): Promise<readonly SlotRow[]> {
  const filter = all ? 'true' : `state = 'building' or (state = 'dirty' and not evicted)`
  return db.query<SlotRow>(`select ${columns} from slots where host = $1 and (${filter}) order by n`, [host])
}

/** Returns evicted slots whose routes the agent has removed. Before that, another account must not get their ports. */
export function slotsToScrub(db: Queryable, host: string): Promise<readonly SlotRow[]> {
  return db.query<SlotRow>(
    `select ${columns} from slots where host = $1 and state = 'dirty' and evicted
     and (reason is null or changed_at < now() - interval '30 seconds')
     and not exists (select 1 from accounts a join domains d on d.account = a.id
       where a.host = slots.host and a.slot = slots.n and a.deleted_at is not null) order by changed_at limit 20`,
    [host],
  )
}

export interface BuiltSlotRow {
  readonly n: number
  readonly egress: string
  /** Whether no account has the slot, and nothing of the former tenant is left. */
  readonly free: boolean
}

/** Returns every slot that is built and not blocked, with the egress policy of its account's plan. */
export function readBuiltSlots(db: Queryable, host: string): Promise<readonly BuiltSlotRow[]> {
  return db.query<BuiltSlotRow>(
    `select s.n, coalesce(left(case when pg_column_size(p.spec) <= ${largestSpec} then p.spec->>'egress' end, 20), 'default') as egress, s.state = 'free' as free from slots s
     left join accounts a on a.host = s.host and a.slot = s.n and a.deleted_at is null
     left join plans p on p.name = a.plan
     where s.host = $1 and s.state in ('free', 'taken', 'dirty') order by s.n`,
    [host],
  )
}

export interface PoolCounts {
  readonly building: number
  readonly free: number
  readonly taken: number
  readonly dirty: number
  readonly blocked: number
}

export async function countSlots(db: Queryable, host: string): Promise<PoolCounts> {
  const rows = await db.query<{ state: SlotState; count: number }>(
    'select state, count(*)::int as count from slots where host = $1 group by state',
    [host],
  )
  const none = { building: 0, free: 0, taken: 0, dirty: 0, blocked: 0 }
  return rows.reduce((counts, { state, count }) => ({ ...counts, [state]: count }), none)
}

/** Inserts slots to be built: the lowest numbers below `max` that have no row. Returns how many. Agents only. */
export async function insertSlots(db: Queryable, host: string, count: number, max: number): Promise<number> {
  const rows = await db.query(
    `insert into slots (host, n, state)
     select $1, n, 'building' from generate_series(0, $3::int - 1) n
     where not exists (select 1 from slots where host = $1 and slots.n = n.n) order by n limit $2
     on conflict do nothing returning n`,
    [host, count, max],
  )
  return rows.length
}

/**
 * Takes a free slot: one that was never used, or else the one that has been free longest. Two callers never get the same slot: a row that
 * another transaction has locked is skipped.
 */
export async function takeSlot(tx: Queryable, host: string): Promise<number | undefined> {
  const rows = await tx.query<{ n: number | null }>('select take_slot($1) as n', [host])
  return rows[0]?.n ?? undefined
}

/** Releases a slot. No account gets it before it has been scrubbed. */
export async function releaseSlot(tx: Queryable, host: string, n: number): Promise<void> {
  await tx.query('select release_slot($1, $2)', [host, n])
}

/**
 * Releases taken slots that no account has. The API takes and releases a slot in the same transaction as its account, so only damaged rows
 * have such slots. Agents only. Returns their numbers.
 */
export async function releaseAbandoned(db: Queryable, host: string): Promise<readonly number[]> {
  const rows = await db.query<{ n: number }>(
    `update slots set state = 'dirty', evicted = false, reason = null, message = null, changed_at = now()
     where host = $1 and state = 'taken'
       and not exists (select 1 from accounts a where a.host = slots.host and a.slot = slots.n and a.deleted_at is null)
     returning n`,
    [host],
  )
  return rows.map(({ n }) => n)
}

export interface SlotUpdate {
  readonly n: number
  /** Only a slot that is still in this state is changed. The API may have taken or released it meanwhile. */
  readonly from: SlotState
  readonly to: SlotState
  readonly evicted: boolean
  readonly reason: string | null
  readonly message: string | null
}

export async function recordSlots(db: Queryable, host: string, updates: readonly SlotUpdate[]): Promise<void> {
  if (updates.length === 0) return
  await db.query(
    `update slots set state = u.to, evicted = u.evicted, reason = u.reason, message = u.message, changed_at = now()
     from jsonb_to_recordset($2::jsonb) as u(n int, "from" text, "to" text, evicted boolean, reason text, message text)
     where slots.host = $1 and slots.n = u.n and slots.state = u.from
       and (slots.state, slots.evicted, slots.reason, slots.message) is distinct from (u.to, u.evicted, u.reason, u.message)`,
    [host, renderJson(updates)],
  )
}

/** Returns the accounts that wait for a slot, oldest first. */
export async function listWaiting(db: Queryable, host: string): Promise<readonly number[]> {
  const rows = await db.query<{ id: number }>(
    'select id from accounts where host = $1 and slot is null and deleted_at is null order by created_at, id',
    [host],
  )
  return rows.map(({ id }) => id)
}

/**
 * Assigns free slots to these accounts, in their order, until no slot is free. Leaves out an account that has a slot or that another
 * session has locked. Returns how many got one.
 */
export async function assignWaiting(tx: Queryable, host: string, accounts: readonly number[]): Promise<number> {
  const waiting = await tx.query<{ id: number }>(
    `select id from accounts where id = any($1) and slot is null and deleted_at is null order by created_at, id for update skip locked`,
    [accounts],
  )
  let given = 0
  for (const { id } of waiting) {
    const n = await takeSlot(tx, host)
    if (n === undefined) break
    await tx.query('update accounts set slot = $2 where id = $1', [id, n])
    given += 1
  }
  return given
}

export async function countWaiting(db: Queryable, host: string): Promise<number> {
  const rows = await db.query<{ count: number }>(
    'select count(*)::int as count from accounts where host = $1 and slot is null and deleted_at is null',
    [host],
  )
  return rows[0]?.count ?? 0
}

/** Returns which account has which slot. Deleted accounts, whose slots are being released, are not included. */
export function listOccupants(
  db: Queryable,
  host: string,
): Promise<readonly { readonly slot: number; readonly account: number }[]> {
  return db.query(
    'select slot, id as account from accounts where host = $1 and slot is not null and deleted_at is null',
    [host],
  )
}

/** The work of a pass besides serving. It is read in one statement, so that an ordinary pass does not need one for each kind. */
export interface Demand {
  /** Accounts without a slot. */
  readonly waiting: number
  /** Slots to be evicted. */
  readonly released: number
  /** Accounts whose row is to be deleted. */
  readonly deleted: number
}

export async function readDemand(db: Queryable, host: string): Promise<Demand> {
  const rows = await db.query<Demand>(
    `select (select count(*)::int from accounts where host = $1 and slot is null and deleted_at is null) as waiting,
       (select count(*)::int from slots where host = $1 and state = 'dirty' and not evicted) as released,
       (select count(*)::int from accounts where host = $1 and deleted_at is not null) as deleted`,
    [host],
  )
  return rows[0] ?? { waiting: 0, released: 0, deleted: 0 }
}

import type { Condition } from '../conditions.ts'
import type { Queryable } from '../database/pool.ts'
import { nextGeneration } from './bounds.ts'
import { renderJson } from './record.ts'

export type ListenerState = 'listening' | 'nobody' | 'wrong_address'

export interface DomainRow {
  readonly id: number
  readonly name: string
  readonly account: number
  readonly accountName: string
  readonly reseller: string
  readonly host: string
  readonly slot: number | null
  readonly suspended: boolean
  readonly port: number
  readonly generation: number
  readonly observedGeneration: number
  readonly conditions: readonly Condition[]
  readonly listener: ListenerState | null
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly deletedAt: Date | null
}

const columns = `d.id, d.name, d.account, a.name as "accountName", a.reseller, a.host, a.slot, a.state = 'suspended' as suspended, d.port,
  d.generation, d.observed_generation as "observedGeneration", d.conditions, d.listener, d.created_at as "createdAt",
  d.updated_at as "updatedAt", d.deleted_at as "deletedAt"`
const tables = 'domains d join accounts a on a.id = d.account'
const next = nextGeneration('generation', 'observed_generation')

/** Finds a domain that is not deleted. With `lock`, locks its row until the end of the transaction. */
export async function findDomain(db: Queryable, name: string, lock = false): Promise<DomainRow | undefined> {
  if (lock) await db.query('select 1 from domains where name = $1 and deleted_at is null for update', [name])
  return (
    await db.query<DomainRow>(`select ${columns} from ${tables} where d.name = $1 and d.deleted_at is null`, [name])
  )[0]
}

export function findDomainsById(db: Queryable, ids: readonly number[]): Promise<readonly DomainRow[]> {
  return db.query<DomainRow>(`select ${columns} from ${tables} where d.id = any($1)`, [ids])
}

export function domainsOf(db: Queryable, accounts: readonly number[]): Promise<readonly DomainRow[]> {
  return db.query<DomainRow>(
    `select ${columns} from ${tables} where d.account = any($1) and d.deleted_at is null order by d.name`,
    [accounts],
  )
}

export interface DomainFilter {
  readonly reseller: string | undefined
  readonly after: string
  readonly limit: number
}

export function listDomains(db: Queryable, filter: DomainFilter): Promise<readonly DomainRow[]> {
  return db.query<DomainRow>(
    `select ${columns} from ${tables} where d.deleted_at is null and ($1::text is null or a.reseller = $1) and d.name > $2
     order by d.name limit $3`,
    [filter.reseller ?? null, filter.after, filter.limit],
  )
}

/** Locks all names below one registrable domain until the end of the transaction. */
export async function lockDomainFamily(tx: Queryable, registrable: string): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(7077080, hashtext($1))`, [registrable])
}

/** Finds a domain of another reseller that is this registrable domain or is below it. A trigger of the table has the same rule. */
export async function findRival(tx: Queryable, registrable: string, reseller: string): Promise<string | undefined> {
  const rows = await tx.query<{ name: string }>(
    `select d.name from ${tables} where d.deleted_at is null and a.reseller <> $1
       and (d.name = $2 or reverse(d.name) like reverse('.' || $2) || '%') limit 1`,
    [reseller, registrable],
  )
  return rows[0]?.name
}

export async function countDomains(tx: Queryable, account: number): Promise<number> {
  const rows = await tx.query<{ count: number }>(
    'select count(*)::int as count from domains where account = $1 and deleted_at is null',
    [account],
  )
  return rows[0]?.count ?? 0
}

/** Counts the domains of a reseller, including deleted ones whose routes the agent has not removed yet. */
export async function countDomainsOfReseller(tx: Queryable, reseller: string): Promise<number> {
  const rows = await tx.query<{ count: number }>(`select count(*)::int as count from ${tables} where a.reseller = $1`, [
    reseller,
  ])
  return rows[0]?.count ?? 0
}

/** Finds a domain of a plan or of an account whose port is not among the first `ports` of its slot. */
export async function domainsBeyondPorts(
  tx: Queryable,
  among: { readonly ports: number } & ({ readonly plan: string } | { readonly account: number }),
): Promise<string | undefined> {
  const [column, value] = 'plan' in among ? ['a.plan', among.plan] : ['a.id', among.account]
  const rows = await tx.query<{ name: string }>(
    `select d.name from ${tables} join hosts h on h.name = a.host where d.deleted_at is null and ${column} = $1
       and (d.port - (h.layout->>'firstPort')::int) % (h.layout->>'portsPerSlot')::int >= $2 order by d.name limit 1`,
    [value, among.ports],
  )
  return rows[0]?.name
}

/**
 * Inserts a domain. PostgreSQL refuses it (23P01) if another reseller has a name of the same registrable domain.
 *
 * @param registrable the domain that the name equals or is below of: one label more than its public suffix
 */
export async function insertDomain(
  tx: Queryable,
  name: string,
  registrable: string,
  account: number,
  port: number,
): Promise<number> {
  const rows = await tx.query<{ id: number }>(
    'insert into domains (name, registrable, account, port) values ($1, $2, $3, $4) returning id',
    [name, registrable, account, port],
  )
  return rows[0]?.id ?? 0
}

export async function updateDomain(tx: Queryable, id: number, account: number, port: number): Promise<void> {
  await tx.query(
    `update domains set account = $2, port = $3, generation = ${next}, updated_at = now(), listener = null where id = $1`,
    [id, account, port],
  )
}

export async function markDomainsDeleted(
  tx: Queryable,
  where: { readonly id: number } | { readonly account: number },
): Promise<void> {
  const [column, value] = 'id' in where ? ['id', where.id] : ['account', where.account]
  await tx.query(
    `update domains set deleted_at = now(), generation = ${next} where ${column} = $1 and deleted_at is null`,
    [value],
  )
}

/** What the agent reads of a domain. The API writes some of it. `checkView` of the agent checks all of it. */
export type DomainToServe = Omit<DomainRow, 'createdAt' | 'updatedAt'>

/**
 * Returns every domain of a host, including deleted ones until the agent has removed their routes.
 *
 * A domain of a deleted account counts as deleted. Cuts a name that is too long, one character after the most that a host name has. A listener that the agent did not record counts as none.
 */
export function domainsOfHost(db: Queryable, host: string): Promise<readonly DomainToServe[]> {
  return db.query<DomainToServe>(
    `select d.id, left(d.name, 254) as name, d.account, a.name as "accountName", a.reseller, a.host, a.slot,
       a.state = 'suspended' as suspended, d.port, d.generation, d.observed_generation as "observedGeneration", d.conditions,
       case when d.listener in ('listening', 'nobody', 'wrong_address') then d.listener end as listener,
       coalesce(d.deleted_at, a.deleted_at) as "deletedAt"
     from ${tables} where a.host = $1 order by d.name, d.id`,
    [host],
  )
}

/**
 * Deletes the rows of deleted domains, and of domains of deleted accounts, whose routes the agent has removed. Leaves out a row that another
 * session has locked.
 */
export async function purgeDomains(db: Queryable, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return
  await db.query(
    `delete from domains where id in (select d.id from ${tables} where d.id = any($1)
       and (d.deleted_at is not null or a.deleted_at is not null) for update of d skip locked)`,
    [ids],
  )
}

export async function recordListeners(
  db: Queryable,
  seen: readonly { readonly id: number; readonly listener: ListenerState }[],
): Promise<void> {
  if (seen.length === 0) return
  await db.query(
    `update domains d set listener = u.listener from jsonb_to_recordset($1::jsonb) as u(id bigint, listener text)
     where d.id = u.id and d.listener is distinct from u.listener`,
    [renderJson(seen)],
  )
}

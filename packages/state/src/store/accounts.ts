import type { Condition } from '../conditions.ts'
import type { Queryable } from '../database/pool.ts'
import type { PlanSpec } from '../plan-spec.ts'
import { bounded, largestKeys, largestSpec, nextGeneration, observedGeneration } from './bounds.ts'
import { renderJson } from './record.ts'

export type AccountState = 'active' | 'throttled' | 'suspended'

export interface AccountRow {
  readonly id: number
  readonly reseller: string
  readonly name: string
  readonly host: string
  readonly slot: number | null
  readonly plan: string
  readonly planSpec: PlanSpec
  readonly sshKeys: readonly string[]
  readonly state: AccountState
  readonly labels: Readonly<Record<string, string>>
  readonly generation: number
  readonly observedGeneration: number
  readonly conditions: readonly Condition[]
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly deletedAt: Date | null
}

const columns = `a.id, a.reseller, a.name, a.host, a.slot, a.plan, p.spec as "planSpec", a.ssh_keys as "sshKeys", a.state, a.labels,
  a.generation, a.observed_generation as "observedGeneration", a.conditions, a.created_at as "createdAt",
  a.updated_at as "updatedAt", a.deleted_at as "deletedAt"`
const tables = 'accounts a join plans p on p.name = a.plan'
const next = nextGeneration('generation', 'observed_generation')

export interface AccountName {
  readonly reseller: string
  readonly name: string
}

/**
 * Finds an account that is not deleted. With `lock`, locks its row until the end of the transaction.
 *
 * The lock is a separate statement: a statement with a join that waits for the lock would still see the plan as it was before the wait.
 */
export async function findAccount(db: Queryable, who: AccountName, lock = false): Promise<AccountRow | undefined> {
  if (lock) {
    await db.query('select 1 from accounts where reseller = $1 and name = $2 and deleted_at is null for update', [
      who.reseller,
      who.name,
    ])
  }
  const rows = await db.query<AccountRow>(
    `select ${columns} from ${tables} where a.reseller = $1 and a.name = $2 and a.deleted_at is null`,
    [who.reseller, who.name],
  )
  return rows[0]
}

export function findAccountsById(db: Queryable, ids: readonly number[]): Promise<readonly AccountRow[]> {
  return db.query<AccountRow>(`select ${columns} from ${tables} where a.id = any($1)`, [ids])
}

/** Counts the accounts of a reseller, including deleted ones of which something is left on a host. */
export async function countAccountsOfReseller(tx: Queryable, reseller: string): Promise<number> {
  const rows = await tx.query<{ count: number }>('select count(*)::int as count from accounts where reseller = $1', [
    reseller,
  ])
  return rows[0]?.count ?? 0
}

export interface AccountFilter {
  readonly reseller: string | undefined
  readonly after: number
  readonly limit: number
}

export function listAccounts(db: Queryable, filter: AccountFilter): Promise<readonly AccountRow[]> {
  return db.query<AccountRow>(
    `select ${columns} from ${tables} where a.deleted_at is null and ($1::text is null or a.reseller = $1) and a.id > $2
     order by a.id limit $3`,
    [filter.reseller ?? null, filter.after, filter.limit],
  )
}

export interface AccountSpec {
  readonly plan: string
  readonly sshKeys: readonly string[]
  readonly state: AccountState
  readonly labels: Readonly<Record<string, string>>
}

export async function insertAccount(
  tx: Queryable,
  who: AccountName,
  spec: AccountSpec & { readonly host: string; readonly slot: number | undefined },
): Promise<number> {
  const rows = await tx.query<{ id: number }>(
    `insert into accounts (reseller, name, host, slot, plan, ssh_keys, state, labels) values ($1, $2, $3, $4, $5, $6, $7, $8) returning id`,
    [
      who.reseller,
      who.name,
      spec.host,
      spec.slot ?? null,
      spec.plan,
      spec.sshKeys,
      spec.state,
      JSON.stringify(spec.labels),
    ],
  )
  return rows[0]?.id ?? 0
}

/** Writes the spec if it differs from the row. Returns whether it did. */
export async function updateAccount(tx: Queryable, id: number, spec: AccountSpec): Promise<boolean> {
  const rows = await tx.query(
    `update accounts set plan = $2, ssh_keys = $3, state = $4, labels = $5, generation = ${next}, updated_at = now()
     where id = $1 and (plan, ssh_keys, state, labels) is distinct from ($2::text, $3::text[], $4::text, $5::jsonb) returning id`,
    [id, spec.plan, spec.sshKeys, spec.state, JSON.stringify(spec.labels)],
  )
  return rows.length > 0
}

/** Increases the generation of accounts whose plan or domains changed, so that agents apply them again. Returns their hosts. */
export async function touchAccounts(
  tx: Queryable,
  where: { readonly plan: string } | { readonly id: number },
): Promise<readonly string[]> {
  const [column, value] = 'plan' in where ? ['plan', where.plan] : ['id', where.id]
  const rows = await tx.query<{ host: string }>(
    `update accounts set generation = ${next} where ${column} = $1 and deleted_at is null returning host`,
    [value],
  )
  return [...new Set(rows.map(({ host }) => host))]
}

export async function markAccountDeleted(tx: Queryable, id: number): Promise<void> {
  await tx.query(`update accounts set deleted_at = now(), generation = ${next} where id = $1`, [id])
}

/**
 * What the agent reads of an account. The API writes some of it. `checkView` of the agent checks all of it.
 *
 * Unlike the rows of the API it has no labels and times, which the agent does not use.
 */
export interface AccountToVisit extends Omit<
  AccountRow,
  'planSpec' | 'sshKeys' | 'state' | 'labels' | 'createdAt' | 'updatedAt'
> {
  /** Whether the slot is taken. A row with a slot that is not taken was not made by an action of the API. */
  readonly holdsSlot: boolean
  /** Null when it is larger than `largestSpec`. */
  readonly planSpec: unknown
  /** Null when they are larger than `largestKeys`. */
  readonly sshKeys: unknown
  readonly state: string
}

/**
 * Returns the accounts with a slot whose newest spec, or that of one of their domains, was not observed yet; with `all`, every one that is
 * not deleted. Domains count because a tenant's environment names them.
 *
 * A generation below the observed one counts too: a row that was restored from a backup may have one.
 */
export function accountsToVisit(db: Queryable, host: string, all: boolean): Promise<readonly AccountToVisit[]> {
  const filter = all
    ? 'true'
    : `a.observed_generation <> a.generation or exists (select 1 from domains d
       where d.account = a.id and (d.observed_generation <> d.generation or d.deleted_at is not null))`
  return db.query<AccountToVisit>(
    `select a.id, a.reseller, a.name, a.host, a.slot, s.state = 'taken' as "holdsSlot", a.plan,
       ${bounded('p.spec', largestSpec)} as "planSpec", ${bounded('a.ssh_keys', largestKeys)} as "sshKeys", a.state, a.generation,
       a.observed_generation as "observedGeneration", a.conditions, a.deleted_at as "deletedAt"
     from ${tables} join slots s on s.host = a.host and s.n = a.slot
     where a.host = $1 and a.deleted_at is null and (${filter}) order by a.id`,
    [host],
  )
}

/**
 * Deletes the rows of deleted accounts of which nothing is left on the host: no domain row, and a slot that is evicted or belongs to
 * another account. Leaves out a row that another session has locked. Returns how many.
 */
export async function purgeAccounts(db: Queryable, host: string): Promise<number> {
  const rows = await db.query(
    `delete from accounts where id in (select a.id from accounts a where a.host = $1 and a.deleted_at is not null
       and not exists (select 1 from domains d where d.account = a.id)
       and not exists (select 1 from slots s where s.host = a.host and s.n = a.slot and s.state = 'dirty' and not s.evicted)
       for update skip locked)
     returning id`,
    [host],
  )
  return rows.length
}

export interface Observation {
  readonly id: number
  readonly generation: number
  readonly conditions: readonly Condition[]
}

/**
 * Records observations of many accounts or domains in one statement. Never overwrites a newer observation, except one of a generation that
 * the row does not have yet.
 */
export async function recordObservations(
  db: Queryable,
  table: 'accounts' | 'domains',
  seen: readonly Observation[],
): Promise<void> {
  if (seen.length === 0) return
  const now = observedGeneration('t.generation', 'u.generation')
  await db.query(
    `update ${table} t set observed_generation = ${now}, conditions = u.conditions
     from jsonb_to_recordset($1::jsonb) as u(id bigint, generation bigint, conditions jsonb)
     where t.id = u.id and (t.observed_generation <= ${now} or t.observed_generation > t.generation)
       and (t.observed_generation, t.conditions) is distinct from (${now}, u.conditions)`,
    [renderJson(seen)],
  )
}

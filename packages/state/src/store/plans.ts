import type { Queryable } from '../database/pool.ts'
import type { PlanSpec } from '../plan-spec.ts'
import { nextGeneration } from './bounds.ts'

export interface PlanRow {
  readonly name: string
  readonly spec: PlanSpec
  readonly generation: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

const columns = `name, spec, generation, created_at as "createdAt", updated_at as "updatedAt"`

/**
 * Finds a plan. With a lock, no other transaction can change or delete it until the end of this one; with `update`, none can lock it
 * either.
 */
export async function findPlan(db: Queryable, name: string, lock?: 'share' | 'update'): Promise<PlanRow | undefined> {
  const sharing = lock === undefined ? '' : `for ${lock}`
  return (await db.query<PlanRow>(`select ${columns} from plans where name = $1 ${sharing}`, [name]))[0]
}

export function listPlans(
  db: Queryable,
  page: { readonly after: string; readonly limit: number },
): Promise<readonly PlanRow[]> {
  return db.query<PlanRow>(`select ${columns} from plans where name > $1 order by name limit $2`, [
    page.after,
    page.limit,
  ])
}

export async function countPlans(db: Queryable): Promise<number> {
  return (await db.query<{ count: number }>('select count(*)::int as count from plans'))[0]?.count ?? 0
}

/** Creates or replaces a plan, unless it is equal. Returns whether the plan was created, and whether it was written. */
export async function upsertPlan(
  tx: Queryable,
  name: string,
  spec: PlanSpec,
): Promise<{ created: boolean; changed: boolean }> {
  const rows = await tx.query<{ created: boolean }>(
    `insert into plans as p (name, spec) values ($1, $2)
     on conflict (name) do update set spec = excluded.spec, generation = ${nextGeneration('p.generation')}, updated_at = now()
       where p.spec is distinct from excluded.spec
     returning (xmax = 0) as created`,
    [name, JSON.stringify(spec)],
  )
  return { created: rows[0]?.created ?? false, changed: rows.length > 0 }
}

/** Deletes a plan. Returns false if it does not exist. PostgreSQL refuses (23503) while accounts have it, even deleted ones. */
export async function deletePlan(tx: Queryable, name: string): Promise<boolean> {
  const rows = await tx.query<{ gone: boolean }>('select delete_plan($1) as gone', [name])
  return rows[0]?.gone ?? false
}

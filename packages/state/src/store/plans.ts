import type { Queryable } from '../database/pool.ts'
import type { PlanSpec } from '../plan-spec.ts'

export interface PlanRow {
  readonly name: string
  readonly spec: PlanSpec
  readonly generation: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

const columns = `name, spec, generation, created_at as "createdAt", updated_at as "updatedAt"`

/** Inside a transaction that will write, `lock` keeps others from changing or deleting the plan meanwhile. */
export async function findPlan(db: Queryable, name: string, lock = false): Promise<PlanRow | undefined> {
  const sharing = lock ? 'for share' : ''
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

/** Creates or replaces; `created` and `changed` tell which, and an equal plan is not written. */
export async function upsertPlan(
  tx: Queryable,
  name: string,
  spec: PlanSpec,
): Promise<{ created: boolean; changed: boolean }> {
  const rows = await tx.query<{ created: boolean }>(
    `insert into plans as p (name, spec) values ($1, $2)
     on conflict (name) do update set spec = excluded.spec, generation = p.generation + 1, updated_at = now()
       where p.spec is distinct from excluded.spec
     returning (xmax = 0) as created`,
    [name, JSON.stringify(spec)],
  )
  return { created: rows[0]?.created ?? false, changed: rows.length > 0 }
}

/** Gives false when there was none. A plan that accounts have, also ones being deleted, makes the database refuse (23503). */
export async function deletePlan(tx: Queryable, name: string): Promise<boolean> {
  return (await tx.query('delete from plans where name = $1 returning name', [name])).length > 0
}

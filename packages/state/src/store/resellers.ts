import type { Queryable } from '../database/pool.ts'

export async function resellerExists(db: Queryable, name: string): Promise<boolean> {
  return (await db.query('select 1 from resellers where name = $1', [name])).length > 0
}

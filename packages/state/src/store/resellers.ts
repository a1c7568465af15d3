import type { Queryable } from '../database/pool.ts'

/** Locks a reseller until the end of the transaction, so that only one transaction at a time adds to what the reseller has. */
export async function lockReseller(tx: Queryable, name: string): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(7077082, hashtext($1))', [name])
}

export async function resellerExists(db: Queryable, name: string): Promise<boolean> {
  return (await db.query('select 1 from resellers where name = $1', [name])).length > 0
}

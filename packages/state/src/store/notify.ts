import type { Queryable } from '../database/pool.ts'

/** Told to the agent of a host when there is work; the payload is the host's name. Only a hint: it polls as well. */
export const wanted = 'puppy_wanted'
/** Told to the API when an agent has recorded what it saw; the payload is the host's name. */
export const observed = 'puppy_observed'

export async function notify(tx: Queryable, channel: typeof wanted | typeof observed, host: string): Promise<void> {
  await tx.query('select pg_notify($1, $2)', [channel, host])
}

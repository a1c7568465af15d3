import type { Queryable } from '../database/pool.ts'

/** The channel on which the agent of a host learns of work. The payload is the host's name. Only a hint: the agent also polls. */
export const wanted = 'puppy_wanted'
/** The channel on which the API learns that an agent has recorded observations. The payload is the host's name. */
export const observed = 'puppy_observed'

export async function notify(tx: Queryable, channel: typeof wanted | typeof observed, host: string): Promise<void> {
  await tx.query('select pg_notify($1, $2)', [channel, host])
}

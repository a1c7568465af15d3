import { slotCount } from '@puppy/accounts/slots'
import type { Database } from '@puppy/state'
import { ApiError } from '../errors.ts'
import { writeAudit, type Actor } from '@puppy/state/store/audit'
import { findHost, setPool } from '@puppy/state/store/hosts'
import { notify, wanted } from '@puppy/state/store/notify'

/** Sets how many slots a host keeps free, and how many it has at most. @throws ApiError `host_not_found`, `pool_max_invalid`. */
export async function putPool(
  db: Database,
  actor: Actor,
  host: string,
  pool: { readonly free: number; readonly max: number },
): Promise<void> {
  await db.transaction(async (tx) => {
    const row = await findHost(tx, host)
    if (row === undefined)
      throw new ApiError('host_not_found', `Host ${host} does not exist. GET /v1/hosts lists the hosts.`)
    const most = slotCount(row.layout)
    if (pool.max > most) {
      throw new ApiError(
        'pool_max_invalid',
        `Pool max ${pool.max} is too large. Host ${host} has ports for at most ${most} slots.`,
        [{ pointer: '/max', detail: `must be at most ${most}` }],
      )
    }
    if (!(await setPool(tx, host, pool))) return
    await writeAudit(tx, actor, {
      action: 'pool.change',
      target: host,
      before: { free: row.poolFree, max: row.poolMax },
      after: pool,
    })
    await notify(tx, wanted, host)
  })
}

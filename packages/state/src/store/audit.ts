import type { Queryable } from '../database/pool.ts'
import type { Caller } from './keys.ts'

/** The caller of a request, its address and the id of the request. */
export interface Actor {
  readonly caller: Caller
  readonly address: string
  readonly requestId: string
}

/** Records a write in the audit table. Runs in the transaction of that write, so neither exists without the other. */
export async function writeAudit(
  tx: Queryable,
  actor: Actor,
  entry: { readonly action: string; readonly target: string; readonly details?: object },
): Promise<void> {
  await tx.query(
    'insert into audit (key_id, reseller, address, request_id, action, target, details) values ($1, $2, $3, $4, $5, $6, $7)',
    [
      actor.caller.key,
      actor.caller.reseller,
      actor.address,
      actor.requestId,
      entry.action,
      entry.target,
      JSON.stringify(entry.details ?? {}),
    ],
  )
}

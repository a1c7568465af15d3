import type { Queryable } from '../database/pool.ts'
import { renderJson } from './record.ts'

/** Bytes and packets that the firewall counted for a uid. */
export interface TrafficCounters {
  readonly uid: number
  readonly sentBytes: number
  readonly sentPackets: number
  readonly receivedBytes: number
  readonly receivedPackets: number
}

/** The counters of a slot at their last reading, and the account that had the slot then. */
export interface MeterReading {
  /** The account that had the slot. */
  readonly account: number | null
  /** Whether no account had the slot, and nothing of the former tenant was left. */
  readonly clean: boolean
  /** The boot of the machine: each one resets its counters. */
  readonly boot: string
  readonly counted: TrafficCounters
}

export interface MeterRow {
  readonly n: number
  readonly account: number | null
  readonly clean: boolean
  /** Whether the firewall has rules, and so counters, for the slot. */
  readonly metered: boolean
  readonly last: MeterReading | null
}

/** Returns every slot of a host with its present account and the last reading of its counters. */
export function listMeters(db: Queryable, host: string): Promise<readonly MeterRow[]> {
  return db.query<MeterRow>(
    `select s.n, a.id as account, s.state in ('free', 'building') as clean, s.state in ('free', 'taken', 'dirty') as metered, m.last
     from slots s
     left join accounts a on a.host = s.host and a.slot = s.n and a.deleted_at is null
     left join meters m on m.host = s.host and m.n = s.n
     where s.host = $1 order by s.n`,
    [host],
  )
}

/** A new reading of a meter: the previous reading, the new one, and the bytes to add to the account. */
export interface MeterStep {
  readonly n: number
  readonly before: MeterReading | null
  readonly last: MeterReading
  readonly sent: number
  readonly received: number
}

/**
 * Records new readings and adds their bytes to the totals of the accounts, in one statement.
 *
 * Skips a meter that another process has updated since it was read. The next reading includes its new bytes, so no byte is added twice.
 */
export async function stepMeters(db: Queryable, host: string, steps: readonly MeterStep[]): Promise<void> {
  if (steps.length === 0) return
  await db.query(
    `with steps as (
       select * from jsonb_to_recordset($2::jsonb) as s(n int, before jsonb, last jsonb, sent bigint, received bigint)
     ), moved as (
       update meters m set last = s.last from steps s where m.host = $1 and m.n = s.n and m.last = s.before returning m.n
     ), entered as (
       insert into meters (host, n, last)
       select $1, s.n, s.last from steps s join slots on slots.host = $1 and slots.n = s.n where s.before is null
       on conflict do nothing returning n
     )
     insert into usage as u (account, sent, received)
     select a.id, s.sent, s.received from steps s join accounts a on a.id = (s.last->>'account')::bigint
     where a.deleted_at is null and s.n in (select n from moved union all select n from entered)
     on conflict (account) do update set sent = coalesce(u.sent, 0) + excluded.sent,
       received = coalesce(u.received, 0) + excluded.received, sampled_at = now()`,
    [host, renderJson(steps)],
  )
}

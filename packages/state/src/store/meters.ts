import type { Queryable } from '../database/pool.ts'

/** Bytes and packets that the firewall counted for a uid. */
export interface TrafficCounters {
  readonly uid: number
  readonly sentBytes: number
  readonly sentPackets: number
  readonly receivedBytes: number
  readonly receivedPackets: number
}

/** What the counters of a slot said when they were read last, and whose they were. */
export interface MeterReading {
  /** Who had the slot. */
  readonly account: number | null
  /** Nobody had it, and nothing of whoever had it before was left. */
  readonly clean: boolean
  /** The boot of the machine: each one resets its counters. */
  readonly boot: string
  readonly counted: TrafficCounters
}

export interface MeterRow {
  readonly n: number
  readonly account: number | null
  readonly clean: boolean
  /** Whether the firewall has rules for it, and so counters. */
  readonly metered: boolean
  readonly last: MeterReading | null
}

/** Every slot of a host, who has it now, and what its counters said last. */
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

/** A meter that has gone on: from what to what, and what of it is its account's. */
export interface MeterStep {
  readonly n: number
  readonly before: MeterReading | null
  readonly last: MeterReading
  readonly sent: number
  readonly received: number
}

/**
 * Lets meters go on and adds what is new to their accounts' totals, in one statement. A meter that somebody else has let go
 * on since it was read stays as it is: what is new since then comes with the next reading, and nothing is added twice.
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
    [host, JSON.stringify(steps)],
  )
}

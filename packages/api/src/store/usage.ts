import type { Queryable } from '../database/pool.ts'

/** What the proxy has counted for an account since it last forgot. */
export interface Reading {
  readonly account: number
  readonly requests: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** Bytes or inodes. */
export interface DiskMeter {
  readonly used: number
  /** Absent where there is none. */
  readonly limit?: number
}

export interface DiskUsage {
  readonly bytes: DiskMeter
  readonly inodes: DiskMeter
}

export interface UsageRow {
  readonly requests: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Null until the firewall has counted. */
  readonly sent: number | null
  readonly received: number | null
  /** Null where nobody counts. */
  readonly disk: DiskUsage | null
  readonly since: Date
  readonly sampledAt: Date
}

export async function findUsage(db: Queryable, account: number): Promise<UsageRow | undefined> {
  const rows = await db.query<UsageRow>(
    `select requests, bytes_in as "bytesIn", bytes_out as "bytesOut", sent, received, disk, since, sampled_at as "sampledAt"
     from usage where account = $1`,
    [account],
  )
  return rows[0]
}

/**
 * Adds what is new in these readings to the totals. A reading of which any number is below the last one means that the proxy
 * began anew, and all of it is new.
 */
export async function addReadings(db: Queryable, readings: readonly Reading[]): Promise<void> {
  if (readings.length === 0) return
  const last = (field: string) => `coalesce((u.counted->>'${field}')::bigint, 0)`
  const anew = `(excluded.requests < ${last('requests')} or excluded.bytes_in < ${last('bytesIn')}
    or excluded.bytes_out < ${last('bytesOut')})`
  const grown = (column: string, field: string) =>
    `u.${column} + excluded.${column} - case when ${anew} then 0 else ${last(field)} end`
  await db.query(
    `insert into usage as u (account, requests, bytes_in, bytes_out, counted)
     select r.account, r.requests, r."bytesIn", r."bytesOut", to_jsonb(r)
     from jsonb_to_recordset($1::jsonb) as r(account bigint, requests bigint, "bytesIn" bigint, "bytesOut" bigint)
     where exists (select 1 from accounts a where a.id = r.account and a.deleted_at is null)
     on conflict (account) do update set requests = ${grown('requests', 'requests')}, bytes_in = ${grown('bytes_in', 'bytesIn')},
       bytes_out = ${grown('bytes_out', 'bytesOut')}, counted = excluded.counted, sampled_at = now()`,
    [JSON.stringify(readings)],
  )
}

/** Records disk use as it is now; what is the same is not written. */
export async function recordDisk(
  db: Queryable,
  readings: readonly { readonly account: number; readonly disk: DiskUsage }[],
): Promise<void> {
  if (readings.length === 0) return
  await db.query(
    `insert into usage as u (account, disk)
     select r.account, r.disk from jsonb_to_recordset($1::jsonb) as r(account bigint, disk jsonb)
     where exists (select 1 from accounts a where a.id = r.account and a.deleted_at is null)
     on conflict (account) do update set disk = excluded.disk, sampled_at = now() where u.disk is distinct from excluded.disk`,
    [JSON.stringify(readings)],
  )
}

/** Forgets the disk use of a host's accounts: nobody counts there any more. */
export async function forgetDisk(db: Queryable, host: string): Promise<void> {
  await db.query(
    `update usage u set disk = null from accounts a where a.id = u.account and a.host = $1 and u.disk is not null`,
    [host],
  )
}

import type { Queryable } from '../database/pool.ts'
import { renderJson } from './record.ts'

/** What the proxy has counted for an account since its counters were reset. */
export interface Reading {
  readonly account: number
  readonly requests: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** What the processes of an account have used in total, what they use now, and the last reading of the kernel's counters. */
export interface ProcessesUsed {
  readonly total: ProcessCounters
  readonly now: { readonly memoryBytes: number; readonly processes: number }
  readonly last: ProcessCounters
  /** Whether the kernel has counted disk use. It does so only where disk use is limited. */
  readonly disks: boolean
  /** The boot of the machine in which `last` was read. */
  readonly boot: string
}

/** What the kernel counts for a slice. Microseconds stay exact for 285 years of one processor. */
export interface ProcessCounters {
  readonly cpuUsec: number
  readonly throttledUsec: number
  readonly readBytes: number
  readonly writtenBytes: number
  readonly readOperations: number
  readonly writtenOperations: number
  readonly oomKills: number
  readonly forksRefused: number
}

/** Bytes or inodes. */
export interface DiskMeter {
  readonly used: number
  /** Absent: no limit. */
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
  /** Null if the host does not count it. */
  readonly disk: DiskUsage | null
  readonly processes: ProcessesUsed | null
  readonly since: Date
  readonly sampledAt: Date
}

export async function findUsage(db: Queryable, account: number): Promise<UsageRow | undefined> {
  const rows = await db.query<UsageRow>(
    `select requests, bytes_in as "bytesIn", bytes_out as "bytesOut", sent, received, disk, processes, since, sampled_at as "sampledAt"
     from usage where account = $1`,
    [account],
  )
  return rows[0]
}

/**
 * Adds the new part of these readings to the totals. If any number of a reading is below the last one, the counters of the proxy were
 * reset, and the whole reading is new.
 */
export async function addReadings(db: Queryable, readings: readonly Reading[]): Promise<void> {
  if (readings.length === 0) return
  const last = (field: string) => `coalesce((u.counted->>'${field}')::bigint, 0)`
  const wasReset = `(excluded.requests < ${last('requests')} or excluded.bytes_in < ${last('bytesIn')}
    or excluded.bytes_out < ${last('bytesOut')})`
  const grown = (column: string, field: string) =>
    `u.${column} + excluded.${column} - case when ${wasReset} then 0 else ${last(field)} end`
  await db.query(
    `insert into usage as u (account, requests, bytes_in, bytes_out, counted)
     select r.account, r.requests, r."bytesIn", r."bytesOut", to_jsonb(r)
     from jsonb_to_recordset($1::jsonb) as r(account bigint, requests bigint, "bytesIn" bigint, "bytesOut" bigint)
     where exists (select 1 from accounts a where a.id = r.account and a.deleted_at is null)
     on conflict (account) do update set requests = ${grown('requests', 'requests')}, bytes_in = ${grown('bytes_in', 'bytesIn')},
       bytes_out = ${grown('bytes_out', 'bytesOut')}, counted = excluded.counted, sampled_at = now()`,
    [renderJson(readings)],
  )
}

/** Records the present disk use. Writes only what differs. */
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
    [renderJson(readings)],
  )
}

/** Removes the disk use of a host's accounts, because the host no longer counts it. */
export async function forgetDisk(db: Queryable, host: string): Promise<void> {
  await db.query(
    `update usage u set disk = null from accounts a where a.id = u.account and a.host = $1 and u.disk is not null`,
    [host],
  )
}

/** Returns the accounts that have a slot on a host, with the recorded use of their processes. */
export function listProcessesUsed(
  db: Queryable,
  host: string,
): Promise<readonly { readonly account: number; readonly n: number; readonly before: ProcessesUsed | null }[]> {
  return db.query(
    `select a.id as account, a.slot as n, u.processes as before
     from accounts a join slots s on s.host = a.host and s.n = a.slot and s.state = 'taken'
     left join usage u on u.account = a.id
     where a.host = $1 and a.deleted_at is null order by a.id`,
    [host],
  )
}

/** Records the use of processes. Skips deleted accounts. Only the agent of their host calls this. */
export async function recordProcessesUsed(
  db: Queryable,
  used: readonly { readonly account: number; readonly processes: ProcessesUsed }[],
): Promise<void> {
  if (used.length === 0) return
  await db.query(
    `insert into usage as u (account, processes)
     select r.account, r.processes from jsonb_to_recordset($1::jsonb) as r(account bigint, processes jsonb)
     where exists (select 1 from accounts a where a.id = r.account and a.deleted_at is null)
     on conflict (account) do update set processes = excluded.processes, sampled_at = now()`,
    [renderJson(used)],
  )
}

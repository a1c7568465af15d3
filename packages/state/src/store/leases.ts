import type { Connection } from '../database/pool.ts'

/**
 * Takes the lease of a host for this connection. Returns false while another connection has it.
 *
 * The row of the lease names the server process of the connection. The lease ends with that process, so it ends at once when the agent is
 * killed. Only the agent's role may write the table, so no other role can take a lease or lock its row.
 *
 * The locking read and the search for the process are two statements, because PostgreSQL keeps what it has read of `pg_stat_activity` until
 * the end of the transaction.
 */
export async function takeLease(client: Connection, host: string): Promise<boolean> {
  await client.query('begin')
  try {
    await client.query('insert into leases (host) values ($1) on conflict do nothing', [host])
    await client.query('select 1 from leases where host = $1 for update', [host])
    const { rowCount } = await client.query(
      `update leases l set pid = self.pid, started_at = self.backend_start
       from pg_stat_activity self
       where l.host = $1 and self.pid = pg_backend_pid()
         and not exists (select 1 from pg_stat_activity a where a.pid = l.pid and a.backend_start = l.started_at)`,
      [host],
    )
    await client.query('commit')
    return rowCount === 1
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

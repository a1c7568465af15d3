import type { Database } from '@puppy/state'
import { notify, observed, wanted } from '@puppy/state/store/notify'
import type { Cleanup } from '@puppy/host/testing'

/** The conditions that the agent of a test records: one facility has applied the spec. */
export const contented = [
  { type: 'accounts', status: 'true', reason: 'applied', message: 'wrote /etc/passwd', at: '2026-01-01T00:00:00.000Z' },
] as const
export const plannedChange = { facility: 'accounts', target: 'p10000', action: 'create', command: 'useradd p10000' }

/** Starts a stand-in for the agent, with its rights. At each notification it records everything as observed. It touches no machine. */
export async function startLooking(t: Cleanup, agent: Database, host = 'h1'): Promise<void> {
  // The agent must stay alive for the whole test, however long the test takes.
  await agent.query(`update hosts set heartbeat_at = now() + interval '1 hour' where name = $1`, [host])
  const client = await agent.connect()
  let last = Promise.resolve()
  client.on('notification', () => {
    last = last.then(() => look(agent, host))
  })
  await client.query(`listen ${wanted}`)
  t.teardown(async () => {
    await client.end()
    await last
  })
}

async function look(agent: Database, host: string): Promise<void> {
  const conditions = JSON.stringify(contented)
  await agent.transaction(async (tx) => {
    await tx.query('update accounts set observed_generation = generation, conditions = $2 where host = $1', [
      host,
      conditions,
    ])
    await tx.query(
      `update domains d set observed_generation = d.generation, conditions = $2 from accounts a
       where a.id = d.account and a.host = $1`,
      [host, conditions],
    )
    await tx.query('delete from domains where deleted_at is not null')
    await tx.query('delete from accounts where deleted_at is not null and host = $1', [host])
    await tx.query('update hosts set plan_made = plan_wanted, changes = $2 where name = $1', [
      host,
      JSON.stringify([plannedChange]),
    ])
    await notify(tx, observed, host)
  })
}

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { takeLease } from '../../src/store/leases.ts'
import { startPostgres } from '../support/database.ts'

t.setTimeout(60_000)
const postgres = await startPostgres(t)

void t.test('takeLease() takes the lease of a host for one connection, and of other hosts for others', async (t) => {
  const { agent } = await postgres.create(t)
  const [one, other] = [await agent.connect(), await agent.connect()]
  t.equal(await takeLease(one, 'h1'), true)
  t.equal(await takeLease(other, 'h1'), false)
  t.equal(await takeLease(one, 'h1'), false, 'not even for the connection that has it')
  t.equal(await takeLease(other, 'h2'), true)
  await Promise.all([one.end(), other.end()])
})

void t.test('takeLease() takes a lease whose connection ended or was terminated', async (t) => {
  const { agent, owner } = await postgres.create(t)
  const pidOf = async () => (await owner.query<{ pid: number }>('select pid from leases'))[0]?.pid
  const next = await agent.connect()
  for (const end of ['end', 'terminate'] as const) {
    const one = await agent.connect()
    while (!(await takeLease(one, 'h1'))) await sleep(5)
    const pid = await pidOf()
    t.equal(await takeLease(next, 'h1'), false)
    const ended = new Promise<void>((resolve) => one.once('end', () => resolve()))
    if (end === 'end') await one.end()
    else await owner.query('select pg_terminate_backend($1)', [pid])
    await ended
    while (!(await takeLease(next, 'h1'))) await sleep(5)
    t.not(await pidOf(), pid, end)
    await owner.query('delete from leases')
  }
  await next.end()
})

void t.test('takeLease() returns true for exactly one of many connections at once', async (t) => {
  const { agent, owner } = await postgres.create(t)
  const clients = await Promise.all(Array.from({ length: 8 }, () => agent.connect()))
  for (let round = 0; round < 20; round += 1) {
    const taken = await Promise.all(clients.map((client) => takeLease(client, 'h1')))
    t.equal(taken.filter((one) => one).length, 1)
    // The row of a killed agent.
    await owner.query('update leases set pid = 1, started_at = now()')
  }
  await Promise.all(clients.map((client) => client.end()))
})

void t.test('the API’s role can neither take nor lock a lease', async (t) => {
  const { api, agent } = await postgres.create(t)
  const client = await agent.connect()
  await takeLease(client, 'h1')
  for (const sql of [
    `insert into leases (host) values ('h2')`,
    'update leases set pid = null',
    'delete from leases',
    'select 1 from leases for update',
    'select 1 from leases for key share',
    'lock table leases in row share mode',
    'lock table leases in access exclusive mode',
  ])
    await t.rejects(
      api.transaction((tx) => tx.query(sql)),
      { code: '42501' },
      sql,
    )
  const thief = await api.connect()
  await t.rejects(takeLease(thief, 'h1'), { code: '42501' })
  await thief.end()
  await client.end()
})

import t from 'tap'
import { addHost, startPostgres } from '@puppy/state/testing'
import { startApp } from '../support/app.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)

void t.test('GET /livez returns 200', async (t) => {
  const { request } = await startApp(t, await postgres.create(t))
  const { status, body } = await request('GET', '/livez', undefined, { key: null })
  t.strictSame([status, body], [200, { status: 'ok', checks: {} }])
})

void t.test('GET /readyz reports that no agent has registered a host', async (t) => {
  const { request } = await startApp(t, await postgres.create(t))
  t.match(await request('GET', '/readyz', undefined, { key: null }), {
    status: 503,
    body: { status: 'unavailable', checks: { database: 'ok', agents: 'no agent has registered a host yet' } },
  })
})

void t.test('GET /readyz reports that no agent has reported in the last 10 seconds', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  await database.agent.query(`update hosts set heartbeat_at = now() - interval '11 seconds'`)
  t.match(await request('GET', '/readyz', undefined, { key: null }), {
    status: 503,
    body: { status: 'unavailable', checks: { database: 'ok', agents: 'no agent has reported in the last 10 seconds' } },
  })
})

void t.test('GET /readyz returns 200 if one agent is alive', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent, 'h1')
  await addHost(database.agent, 'h2')
  await database.agent.query(`update hosts set heartbeat_at = now() + interval '1 hour' where name = 'h2'`)
  t.match(await request('GET', '/readyz', undefined, { key: null }), {
    status: 200,
    body: { status: 'ok', checks: { database: 'ok', agents: 'ok' } },
  })
})

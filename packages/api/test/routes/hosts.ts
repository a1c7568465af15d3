import { isolationLayers } from '@puppy/state'
import t from 'tap'
import { addHost, addReseller, smallPlan, startPostgres, one } from '@puppy/state/testing'
import { startApp } from '../support/app.ts'
import { plannedChange, startLooking } from '../support/agent.ts'
import { isProblem } from '../support/problem.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)

void t.test('GET hosts and GET host return pool and facilities', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent, 'h2', 1)
  await addHost(database.agent, 'h1', 3)
  await database.agent.query(`update hosts set facilities = $1 where name = 'h1'`, [
    JSON.stringify({ haproxy: { works: true, version: '3.0.11' }, quota: { works: false, reason: 'off' } }),
  ])
  const h1 = {
    name: 'h1',
    mode: 'live',
    alive: false,
    facilities: { haproxy: { works: true, version: '3.0.11' }, quota: { works: false, reason: 'off' } },
    missing: ['accounts', 'cgroups', 'view', 'mounts', 'quota', 'firewall', 'selinux'],
    conditions: [],
    pool: {
      free: 3,
      max: 2816,
      slots: { building: 0, free: 3, taken: 0, dirty: 0, blocked: 0 },
      waiting: 0,
      trouble: [],
    },
  }
  const h2 = {
    ...h1,
    name: 'h2',
    facilities: {},
    missing: [...isolationLayers],
    pool: { ...h1.pool, free: 1, slots: { ...h1.pool.slots, free: 1 } },
  }
  const list = await request('GET', '/v1/hosts')
  t.equal(list.status, 200)
  t.strictSame(list.body, { data: [h1, h2] })
  const read = await request('GET', '/v1/hosts/h1')
  t.equal(read.status, 200)
  t.strictSame(read.body, h1)
})

void t.test('GET host reports whether the agent is alive', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  t.notOk('heartbeatAt' in (await request('GET', '/v1/hosts/h1')).body, 'the agent never reported')
  await startLooking(t, database.agent)
  t.match(await request('GET', '/v1/hosts/h1'), { body: { alive: true, heartbeatAt: /Z$/ } })
})

void t.test('GET pool returns slots, waiting accounts and slots that cannot be used', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent, 'h1', 2)
  await database.agent.query(
    `update slots set state = 'blocked', reason = 'port_in_use', message = 'nginx has 10248' where n = 1`,
  )
  await request('PUT', '/v1/plans/small', smallPlan)
  for (const name of ['a', 'b']) await request('PUT', `/v1/accounts/${name}`, { plan: 'small' })
  const { status, body } = await request('GET', '/v1/hosts/h1/pool')
  t.equal(status, 200)
  t.strictSame(body, {
    free: 2,
    max: 2816,
    slots: { building: 0, free: 0, taken: 1, dirty: 0, blocked: 1 },
    waiting: 1,
    trouble: [{ slot: 1, user: 'p10001', state: 'blocked', reason: 'port_in_use', message: 'nginx has 10248' }],
  })
})

void t.test('PUT pool is idempotent', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  const changed = () =>
    one(database.owner, 'select generation, (select count(*)::int from audit) as audited from hosts')
  const spec = { free: 5, max: 20 }
  t.match(await request('PUT', '/v1/hosts/h1/pool', spec), { status: 200, body: spec })
  t.strictSame(await changed(), { generation: 2, audited: 1 })
  t.match(await request('PUT', '/v1/hosts/h1/pool', spec), { status: 200, body: spec })
  t.strictSame(await changed(), { generation: 2, audited: 1 }, 'an equal spec changes nothing')
  t.match(await request('GET', '/v1/hosts/h1/pool'), { status: 200, body: spec })
})

void t.test('GET changes returns what the agent would change', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  await startLooking(t, database.agent)
  const answer = await request('GET', '/v1/hosts/h1/changes')
  t.equal(answer.status, 200)
  t.strictSame(answer.body['data'], [plannedChange])
  const again = await request('GET', '/v1/hosts/h1/changes')
  t.equal(again.status, 200)
  t.strictSame(again.body['data'], [plannedChange], 'a second request')
  t.strictSame(await database.owner.query('select plan_wanted, plan_made from hosts'), [
    { plan_wanted: 2, plan_made: 2 },
  ])
})

void t.test('GET changes does not wait for an agent that does not report', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  isProblem(t, await request('GET', '/v1/hosts/h1/changes'), { status: 503, code: 'host_silent' })
})

void t.test('requests for a host that does not exist return 404', async (t) => {
  const { request } = await startApp(t, await postgres.create(t))
  for (const url of ['/v1/hosts/none', '/v1/hosts/none/pool', '/v1/hosts/none/changes']) {
    isProblem(t, await request('GET', url), { status: 404, code: 'host_not_found' })
  }
  isProblem(t, await request('PUT', '/v1/hosts/none/pool', { free: 1, max: 1 }), {
    status: 404,
    code: 'host_not_found',
  })
  const none = await request('GET', '/v1/hosts')
  t.strictSame([none.status, none.body], [200, { data: [] }])
})

void t.test('the routes of hosts require an admin key', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  const key = await addReseller(database.owner, 'acme')
  for (const url of ['/v1/hosts', '/v1/hosts/h1', '/v1/hosts/h1/pool', '/v1/hosts/h1/changes', '/v1/hosts/none']) {
    isProblem(t, await request('GET', url, undefined, { key }), { status: 403, code: 'forbidden' })
  }
})

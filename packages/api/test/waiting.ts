import fc from 'fast-check'
import t from 'tap'
import { parsePrefer } from '../src/waiting.ts'
import { addHost, smallPlan, startPostgres } from '@puppy/state/testing'
import { startApp } from './support/app.ts'
import { startLooking } from './support/agent.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)

const rows: readonly [string, string | undefined, number][] = [
  ['waits 10 s when nothing is said', undefined, 10],
  ['takes wait', 'wait=3', 3],
  ['takes wait in quotes, with blanks and in capitals', 'Wait = "3"', 3],
  ['takes wait among others', 'return=minimal, wait=3; foo', 3],
  ['takes the first wait', 'wait=3, wait=4', 3],
  ['does not wait at wait=0', 'wait=0', 0],
  ['waits a minute at most', 'wait=9999', 60],
  ['waits a minute at most, however long the number', 'wait=123456789012345678901234567890', 60],
  ['does not wait at respond-async', 'respond-async', 0],
  ['does not wait at respond-async beside wait', 'wait=5, respond-async', 0],
  ['does not understand a negative wait', 'wait=-1', 10],
  ['does not understand a broken wait', 'wait=1.5', 10],
  ['does not understand words', 'wait=long', 10],
  ['does not understand nothing', '', 10],
  ['does not understand nonsense', ';;,,==wait', 10],
]
for (const [title, header, expected] of rows) {
  void t.test(`parsePrefer() ${title}`, async (t) => {
    t.equal(parsePrefer(header), expected)
  })
}

void t.test('parsePrefer() gives whole seconds from 0 to 60 for anything', async () => {
  const header = fc.oneof(fc.string(), fc.stringMatching(/^(wait|respond-async|[=,; "0-9-])*$/))
  fc.assert(
    fc.property(
      header,
      (value) => Number.isInteger(parsePrefer(value)) && parsePrefer(value) >= 0 && parsePrefer(value) <= 60,
    ),
  )
})

void t.test('waitForHost() waits for a host that lives', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  await startLooking(t, database.agent)
  await request('PUT', '/v1/plans/small', smallPlan)
  t.match(await request('PUT', '/v1/accounts/blog', { plan: 'small' }, { headers: { prefer: 'wait=60' } }), {
    status: 201,
  })
})

void t.test('waitForHost() does not wait for a host that is silent', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  await request('PUT', '/v1/plans/small', smallPlan)
  await database.agent.query(`update hosts set heartbeat_at = now() - interval '11 seconds'`)
  t.match(await request('PUT', '/v1/accounts/blog', { plan: 'small' }, { headers: { prefer: 'wait=60' } }), {
    status: 202,
  })
})

void t.test('waitForHost() does not wait for who would not have it', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  await request('PUT', '/v1/plans/small', smallPlan)
  await database.agent.query(`update hosts set heartbeat_at = now() + interval '1 hour'`)
  const headers = { prefer: 'respond-async' }
  t.match(await request('PUT', '/v1/accounts/blog', { plan: 'small' }, { headers }), { status: 202 })
  t.match(await request('DELETE', '/v1/accounts/blog', undefined, { headers }), { status: 204 })
})

void t.test('waitForHost() gives up after the seconds that were asked for', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  await request('PUT', '/v1/plans/small', smallPlan)
  await database.agent.query(`update hosts set heartbeat_at = now() + interval '1 hour'`)
  t.match(await request('PUT', '/v1/accounts/blog', { plan: 'small' }, { headers: { prefer: 'wait=1' } }), {
    status: 202,
  })
})

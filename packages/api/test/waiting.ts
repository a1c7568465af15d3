import fc from 'fast-check'
import t from 'tap'
import { parsePrefer } from '../src/waiting.ts'
import { addHost, smallPlan, startPostgres } from '@puppy/state/testing'
import { startApp } from './support/app.ts'
import { startLooking } from './support/agent.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)

const rows: readonly [string, string | undefined, number][] = [
  ['returns 10 without a header', undefined, 10],
  ['parses wait', 'wait=3', 3],
  ['parses wait in quotes, with spaces and in upper case', 'Wait = "3"', 3],
  ['parses wait among other preferences', 'return=minimal, wait=3; foo', 3],
  ['uses the first of two waits', 'wait=3, wait=4', 3],
  ['returns 0 for wait=0', 'wait=0', 0],
  ['returns at most 60', 'wait=9999', 60],
  ['returns at most 60 for a very long number', 'wait=123456789012345678901234567890', 60],
  ['returns 0 for respond-async', 'respond-async', 0],
  ['returns 0 for respond-async together with wait', 'wait=5, respond-async', 0],
  ['ignores a negative wait', 'wait=-1', 10],
  ['ignores a fractional wait', 'wait=1.5', 10],
  ['ignores a wait that is no number', 'wait=long', 10],
  ['ignores an empty header', '', 10],
  ['ignores a malformed header', ';;,,==wait', 10],
]
for (const [title, header, expected] of rows) {
  void t.test(`parsePrefer() ${title}`, async (t) => {
    t.equal(parsePrefer(header), expected)
  })
}

void t.test('parsePrefer() returns whole seconds from 0 to 60 for any header', async () => {
  const header = fc.oneof(fc.string(), fc.stringMatching(/^(wait|respond-async|[=,; "0-9-])*$/))
  fc.assert(
    fc.property(
      header,
      (value) => Number.isInteger(parsePrefer(value)) && parsePrefer(value) >= 0 && parsePrefer(value) <= 60,
    ),
  )
})

void t.test('waitForHost() waits for a host that is alive', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  await startLooking(t, database.agent)
  await request('PUT', '/v1/plans/small', smallPlan)
  t.match(await request('PUT', '/v1/accounts/blog', { plan: 'small' }, { headers: { prefer: 'wait=60' } }), {
    status: 201,
  })
})

void t.test('waitForHost() does not wait for a host whose agent does not report', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  await request('PUT', '/v1/plans/small', smallPlan)
  await database.agent.query(`update hosts set heartbeat_at = now() - interval '11 seconds'`)
  t.match(await request('PUT', '/v1/accounts/blog', { plan: 'small' }, { headers: { prefer: 'wait=60' } }), {
    status: 202,
  })
})

void t.test('waitForHost() does not wait with respond-async', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  await request('PUT', '/v1/plans/small', smallPlan)
  await database.agent.query(`update hosts set heartbeat_at = now() + interval '1 hour'`)
  const headers = { prefer: 'respond-async' }
  t.match(await request('PUT', '/v1/accounts/blog', { plan: 'small' }, { headers }), { status: 202 })
  t.match(await request('DELETE', '/v1/accounts/blog', undefined, { headers }), { status: 204 })
})

void t.test('waitForHost() stops after the requested seconds', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  await request('PUT', '/v1/plans/small', smallPlan)
  await database.agent.query(`update hosts set heartbeat_at = now() + interval '1 hour'`)
  t.match(await request('PUT', '/v1/accounts/blog', { plan: 'small' }, { headers: { prefer: 'wait=1' } }), {
    status: 202,
  })
})

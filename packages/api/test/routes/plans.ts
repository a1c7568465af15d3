import t from 'tap'
import { addHost, addReseller, smallPlan, startPostgres, fullPlan } from '@puppy/state/testing'
import { startApp, type Answer } from '../support/app.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)
const names = ({ body }: Answer) => {
  const data: readonly { readonly name: string }[] = body['data'] ?? []
  return data.map(({ name }) => name)
}

void t.test('a plan is created, replaced, read, listed and deleted', async (t) => {
  const { request } = await startApp(t, await postgres.create(t))
  t.match(await request('PUT', '/v1/plans/small', smallPlan), {
    status: 201,
    body: { name: 'small', ports: 3, generation: 1 },
  })
  t.match(
    await request('PUT', '/v1/plans/small', smallPlan),
    { status: 200, body: { generation: 1 } },
    'an equal spec changes nothing',
  )
  t.match(await request('PUT', '/v1/plans/small', { ...smallPlan, ports: 4 }), {
    status: 200,
    body: { ports: 4, generation: 2 },
  })
  t.match(await request('GET', '/v1/plans/small'), { status: 200, body: { ports: 4 } })
  const list = await request('GET', '/v1/plans')
  t.equal(list.status, 200)
  t.strictSame(names(list), ['small'])
  t.match(await request('DELETE', '/v1/plans/small'), { status: 204 })
  t.match(await request('DELETE', '/v1/plans/small'), { status: 204 }, 'DELETE is idempotent')
  t.match(await request('GET', '/v1/plans/small'), { status: 404, body: { code: 'plan_not_found' } })
})

void t.test('DELETE plan refuses a plan that an account has', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  await request('PUT', '/v1/plans/small', smallPlan)
  await request('PUT', '/v1/accounts/blog', { plan: 'small' })
  t.match(await request('DELETE', '/v1/plans/small'), { status: 409, body: { code: 'plan_in_use' } })
})

void t.test('GET plans lists pages', async (t) => {
  const { request } = await startApp(t, await postgres.create(t))
  for (const name of ['a', 'b', 'c']) await request('PUT', `/v1/plans/${name}`, smallPlan)
  const first = await request('GET', '/v1/plans?limit=2')
  t.strictSame(names(first), ['a', 'b'])
  t.type(first.body['nextCursor'], 'string')
  const second = await request('GET', `/v1/plans?limit=2&cursor=${String(first.body['nextCursor'])}`)
  t.strictSame(names(second), ['c'])
  t.notOk('nextCursor' in second.body, 'absent at the end')
  t.match(await request('GET', '/v1/plans?cursor=nonsense'), { status: 400, body: { code: 'request_invalid' } })
})

void t.test('PUT plan increases the generation of the accounts that have the plan', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  for (const name of ['small', 'other']) await request('PUT', `/v1/plans/${name}`, smallPlan)
  await request('PUT', '/v1/accounts/blog', { plan: 'small' })
  await request('PUT', '/v1/accounts/shop', { plan: 'other' })
  await request('PUT', '/v1/plans/small', { ...smallPlan, pids: { max: 128 } })
  t.match(await request('GET', '/v1/accounts/blog'), { body: { generation: 2 } })
  t.match(await request('GET', '/v1/accounts/shop'), { body: { generation: 1 } })
})

void t.test('PUT plan keeps every limit, and ignores the order of fields', async (t) => {
  const { request } = await startApp(t, await postgres.create(t))
  t.match(await request('PUT', '/v1/plans/whole', fullPlan), { status: 201 })
  const { name, generation, createdAt, updatedAt, ...spec } = (await request('GET', '/v1/plans/whole')).body
  t.strictSame(spec, fullPlan)
  t.strictSame([name, generation, createdAt], ['whole', 1, updatedAt])
  const turned = Object.fromEntries(Object.entries(fullPlan).toReversed())
  t.match(await request('PUT', '/v1/plans/whole', turned), { status: 200, body: { generation: 1 } })
})

void t.test('a reseller can read plans but cannot write them', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  const key = await addReseller(database.owner, 'acme')
  await request('PUT', '/v1/plans/small', smallPlan)
  const list = await request('GET', '/v1/plans', undefined, { key })
  t.equal(list.status, 200)
  t.strictSame(names(list), ['small'])
  t.match(await request('GET', '/v1/plans/small', undefined, { key }), { status: 200 })
  t.match(await request('PUT', '/v1/plans/small', smallPlan, { key }), { status: 403, body: { code: 'forbidden' } })
  t.match(await request('DELETE', '/v1/plans/small', undefined, { key }), { status: 403 })
  t.match(await request('GET', '/v1/plans/small'), { status: 200, body: { generation: 1 } })
})

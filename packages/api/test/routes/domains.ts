import t, { type Test } from 'tap'
import { addHost, addReseller, smallPlan, startPostgres } from '@puppy/state/testing'
import { startApp, type Answer } from '../support/app.ts'
import { contented, startLooking } from '../support/agent.ts'
import { isProblem } from '../support/problem.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)

/** Starts a service with the accounts `blog` of root (ports from 10240), `shop` of acme (10248) and `cafe` of bolt (10256). */
async function start(t: Test) {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent)
  await request('PUT', '/v1/plans/small', smallPlan)
  const acme = { key: await addReseller(database.owner, 'acme') }
  const bolt = { key: await addReseller(database.owner, 'bolt') }
  await request('PUT', '/v1/accounts/blog', { plan: 'small' })
  await request('PUT', '/v1/accounts/shop', { plan: 'small' }, acme)
  await request('PUT', '/v1/accounts/cafe', { plan: 'small' }, bolt)
  const audited = async () => (await database.owner.query('select id from audit')).length
  return { database, request, acme, bolt, audited }
}

const names = ({ body }: Answer) => {
  const data: readonly { readonly name: string }[] = body['data'] ?? []
  return data.map(({ name }) => name)
}
const shop = { account: 'shop', port: 10_248 }
const cafe = { account: 'cafe', port: 10_256 }

void t.test('PUT domain returns 201 when the host has observed it', async (t) => {
  const { request, database } = await start(t)
  await startLooking(t, database.agent)
  const answer = await request('PUT', '/v1/domains/blog.example.com', { account: 'blog', port: 10_242 })
  t.equal(answer.status, 201)
  t.match(answer.body, {
    name: 'blog.example.com',
    reseller: 'root',
    account: 'blog',
    port: 10_242,
    generation: 1,
    observedGeneration: 1,
    ready: true,
  })
  t.strictSame(answer.body['conditions'], contented)
  t.strictSame((await request('GET', '/v1/domains/blog.example.com')).body, answer.body)
})

void t.test('PUT domain returns 202 while the host has not observed it', async (t) => {
  const { request } = await start(t)
  const answer = await request('PUT', '/v1/domains/example.com', { account: 'blog', port: 10_240 })
  t.match(answer, { status: 202, body: { observedGeneration: 0, ready: false } })
  t.strictSame(answer.body['conditions'], [])
})

void t.test('PUT domain with an equal spec changes nothing', async (t) => {
  const { request, database, audited } = await start(t)
  await startLooking(t, database.agent)
  const first = await request('PUT', '/v1/domains/example.com', { account: 'blog', port: 10_240 })
  const before = await audited()
  const second = await request('PUT', '/v1/domains/example.com', { port: 10_240, account: 'blog' })
  t.equal(second.status, 200)
  t.strictSame(second.body, first.body)
  t.equal(await audited(), before, 'no audit row')
})

void t.test('PUT domain moves a domain to another port and another account of the reseller', async (t) => {
  const { request, database } = await start(t)
  await startLooking(t, database.agent)
  await request('PUT', '/v1/accounts/second', { plan: 'small' })
  await request('PUT', '/v1/domains/example.com', { account: 'blog', port: 10_240 })
  await database.agent.query(`update domains set listener = 'listening'`)
  t.match(await request('GET', '/v1/domains/example.com'), { body: { listener: 'listening' } })
  const moved = await request('PUT', '/v1/domains/example.com', { account: 'blog', port: 10_241 })
  t.match(moved, { status: 200, body: { port: 10_241, generation: 2, observedGeneration: 2 } })
  t.notOk('listener' in moved.body, 'the new port was not observed yet')
  t.match(await request('PUT', '/v1/domains/example.com', { account: 'second', port: 10_264 }), {
    status: 200,
    body: { account: 'second', port: 10_264, generation: 3 },
  })
})

void t.test('DELETE domain is idempotent and frees the name for another reseller at once', async (t) => {
  const { request, acme, bolt } = await start(t)
  await request('PUT', '/v1/domains/example.com', shop, acme)
  const deleted = await request('DELETE', '/v1/domains/example.com', undefined, acme)
  t.strictSame([deleted.status, deleted.body], [204, {}])
  t.match(await request('DELETE', '/v1/domains/example.com', undefined, acme), { status: 204 })
  isProblem(t, await request('GET', '/v1/domains/example.com', undefined, acme), {
    status: 404,
    code: 'domain_not_found',
  })
  t.match(await request('PUT', '/v1/domains/example.com', cafe, bolt), { status: 202, body: { reseller: 'bolt' } })
})

void t.test('DELETE domain waits until the agent has removed the domain', async (t) => {
  const { request, database } = await start(t)
  await startLooking(t, database.agent)
  await request('PUT', '/v1/domains/example.com', { account: 'blog', port: 10_240 })
  t.match(await request('DELETE', '/v1/domains/example.com'), { status: 204 })
  t.strictSame(await database.owner.query('select id from domains'), [])
})

void t.test('GET domains lists pages in the order of the names', async (t) => {
  const { request, acme } = await start(t)
  await request('PUT', '/v1/domains/c.example.com', { account: 'blog', port: 10_240 })
  await request('PUT', '/v1/domains/a.example.com', { account: 'blog', port: 10_241 })
  await request('PUT', '/v1/domains/b.example.net', shop, acme)
  const first = await request('GET', '/v1/domains?limit=2')
  t.strictSame(names(first), ['a.example.com', 'b.example.net'], 'an admin lists the domains of all resellers')
  const second = await request('GET', `/v1/domains?limit=2&cursor=${String(first.body['nextCursor'])}`)
  t.strictSame(names(second), ['c.example.com'])
  t.notOk('nextCursor' in second.body, 'absent at the end')
  t.strictSame(names(await request('GET', '/v1/domains?reseller=acme')), ['b.example.net'])
  t.strictSame(names(await request('GET', '/v1/domains', undefined, acme)), ['b.example.net'])
})

void t.test('a reseller reads and changes only its own domains', async (t) => {
  const { request, acme, bolt } = await start(t)
  await request('PUT', '/v1/domains/example.com', shop, acme)
  isProblem(t, await request('GET', '/v1/domains/example.com', undefined, bolt), {
    status: 404,
    code: 'domain_not_found',
  })
  t.match(
    await request('DELETE', '/v1/domains/example.com', undefined, bolt),
    { status: 204 },
    'as if the domain did not exist',
  )
  t.strictSame(names(await request('GET', '/v1/domains', undefined, bolt)), [])
  t.match(await request('GET', '/v1/domains/example.com', undefined, acme), { status: 200, body: { generation: 1 } })
})

void t.test('an admin can name a reseller', async (t) => {
  const { request, acme } = await start(t)
  await request('PUT', '/v1/domains/example.com', shop, acme)
  isProblem(t, await request('GET', '/v1/domains/example.com'), { status: 404, code: 'domain_not_found' })
  t.match(await request('DELETE', '/v1/domains/example.com'), { status: 204 }, 'of root, which has no domain')
  t.match(await request('GET', '/v1/domains/example.com?reseller=acme'), { status: 200, body: { reseller: 'acme' } })
  t.match(await request('PUT', '/v1/domains/a.example.com?reseller=acme', shop), {
    status: 202,
    body: { reseller: 'acme' },
  })
  t.match(await request('DELETE', '/v1/domains/example.com?reseller=acme'), { status: 204 })
  isProblem(t, await request('GET', '/v1/domains/example.com', undefined, acme), {
    status: 404,
    code: 'domain_not_found',
  })
})

void t.test('a reseller cannot name another reseller', async (t) => {
  const { request, acme } = await start(t)
  const forbidden = { status: 403, code: 'forbidden' }
  isProblem(t, await request('GET', '/v1/domains?reseller=bolt', undefined, acme), forbidden)
  isProblem(t, await request('GET', '/v1/domains/example.com?reseller=bolt', undefined, acme), forbidden)
  isProblem(t, await request('PUT', '/v1/domains/example.com?reseller=bolt', cafe, acme), forbidden)
  isProblem(t, await request('DELETE', '/v1/domains/example.com?reseller=bolt', undefined, acme), forbidden)
  t.match(await request('GET', '/v1/domains?reseller=acme', undefined, acme), { status: 200 })
})

void t.test('only admins receive the messages of conditions', async (t) => {
  const { request, acme, database } = await start(t)
  await startLooking(t, database.agent)
  const put = await request('PUT', '/v1/domains/example.com', shop, acme)
  const [{ message, ...without }] = contented
  t.strictSame(put.body['conditions'], [without])
  t.strictSame((await request('GET', '/v1/domains/example.com?reseller=acme')).body['conditions'], [
    { ...without, message },
  ])
})

const neighbours: readonly [string, string, number][] = [
  ['the same name', 'shop.example.com', 409],
  ['a name below it', 'a.b.shop.example.com', 409],
  ['the name above it', 'example.com', 409],
  ['a name beside it', 'other.example.com', 409],
  ['a registrable domain with the same ending', 'anexample.com', 202],
  ['the same label below another domain', 'shop.example.net', 202],
]
for (const [title, name, status] of neighbours) {
  void t.test(`beside the domain of one reseller, another reseller gets ${status} for ${title}`, async (t) => {
    const { request, acme, bolt } = await start(t)
    await request('PUT', '/v1/domains/shop.example.com', shop, acme)
    const answer = await request('PUT', `/v1/domains/${name}`, cafe, bolt)
    t.match(answer, { status, body: status === 409 ? { code: 'domain_taken' } : { name } })
  })
}

void t.test('one reseller can route names above and below each other', async (t) => {
  const { request, acme } = await start(t)
  for (const name of ['a.example.com', 'example.com']) {
    t.match(await request('PUT', `/v1/domains/${name}`, shop, acme), { status: 202 })
  }
})

void t.test('concurrent PUTs of names above and below each other succeed for one reseller only', async (t) => {
  const { request, acme, bolt } = await start(t)
  const answers = await Promise.all([
    ...Array.from({ length: 4 }, () => request('PUT', '/v1/domains/example.com', shop, acme)),
    ...Array.from({ length: 4 }, () => request('PUT', '/v1/domains/a.example.com', cafe, bolt)),
  ])
  const of = (wanted: number) => answers.filter(({ status }) => status === wanted).length
  t.strictSame([of(202), of(409)], [4, 4])
})

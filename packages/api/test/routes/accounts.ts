import { isolationLayers } from '@puppy/state'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { addHost, addReseller, smallPlan, sshKey, startPostgres } from '@puppy/state/testing'
import { startApp, type Answer } from '../support/app.ts'
import { contented, startLooking } from '../support/agent.ts'
import { isProblem } from '../support/problem.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)

/** Starts a service with two plans, a host with free slots and two resellers. It has no agent until a test starts one. */
async function start(t: Test, free = 10) {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  await addHost(database.agent, 'h1', free)
  await request('PUT', '/v1/plans/small', smallPlan)
  await request('PUT', '/v1/plans/large', { ...smallPlan, ports: 8, domains: 100 })
  const acme = { key: await addReseller(database.owner, 'acme') }
  const bolt = { key: await addReseller(database.owner, 'bolt') }
  const audited = async () => (await database.owner.query('select id from audit')).length
  return { database, request, acme, bolt, audited }
}

const names = ({ body }: Answer) => {
  const data: readonly { readonly name: string }[] = body['data'] ?? []
  return data.map(({ name }) => name)
}

void t.test('PUT account returns 201 when the host has observed it', async (t) => {
  const { database, request } = await start(t)
  await startLooking(t, database.agent)
  const spec = { plan: 'small', sshKeys: [sshKey], state: 'suspended', labels: { customer: '42' } }
  const answer = await request('PUT', '/v1/accounts/blog', spec)
  t.equal(answer.status, 201)
  t.matchOnlyStrict(answer.body, {
    name: 'blog',
    reseller: 'root',
    host: 'h1',
    user: 'p10000',
    uid: 10_000,
    home: '/home/p10000',
    ports: [10_240, 10_241, 10_242],
    ...spec,
    domains: [],
    generation: 1,
    observedGeneration: 1,
    ready: true,
    missing: [...isolationLayers],
    conditions: contented,
    createdAt: /Z$/,
    updatedAt: /Z$/,
  })
  t.strictSame((await request('GET', '/v1/accounts/blog')).body, answer.body, 'GET returns the same')
})

void t.test('PUT account returns 202 while the host has not observed it', async (t) => {
  const { request } = await start(t)
  const { status, body } = await request('PUT', '/v1/accounts/blog', { plan: 'small' })
  t.equal(status, 202)
  t.match(body, { generation: 1, observedGeneration: 0, ready: false, state: 'active' })
  t.strictSame([body['conditions'], body['sshKeys'], body['labels']], [[], [], {}])
})

void t.test('PUT account with an equal spec changes nothing', async (t) => {
  const { database, request, audited } = await start(t)
  await startLooking(t, database.agent)
  const spec = { plan: 'small', sshKeys: [sshKey], labels: { b: '2', a: '1' } }
  const first = await request('PUT', '/v1/accounts/blog', spec)
  const before = await audited()
  const second = await request('PUT', '/v1/accounts/blog', {
    labels: { a: '1', b: '2' },
    sshKeys: [sshKey],
    plan: 'small',
  })
  t.equal(second.status, 200)
  t.strictSame(second.body, first.body)
  t.equal(await audited(), before, 'no audit row')
})

void t.test('PUT account replaces the spec, and sets absent fields to their defaults', async (t) => {
  const { database, request } = await start(t)
  await startLooking(t, database.agent)
  await request('PUT', '/v1/accounts/blog', {
    plan: 'small',
    sshKeys: [sshKey],
    state: 'suspended',
    labels: { a: '1' },
  })
  const { status, body } = await request('PUT', '/v1/accounts/blog', { plan: 'large' })
  t.equal(status, 200)
  t.match(body, { plan: 'large', state: 'active', generation: 2, observedGeneration: 2, user: 'p10000' })
  t.strictSame([body['sshKeys'], body['labels']], [[], {}])
  t.equal((await request('GET', '/v1/accounts/blog')).body['ports']?.['length'], 8)
})

const spec = { plan: 'small', sshKeys: [sshKey], state: 'suspended', labels: { a: '1', b: '2' } }
const unchanged = { ...spec, generation: 1 }
const patches: readonly [string, object, object][] = [
  ['with an empty patch changes nothing', {}, unchanged],
  ['with equal values changes nothing', { state: 'suspended', labels: { a: '1' } }, unchanged],
  ['changes only the state', { state: 'active' }, { ...spec, state: 'active', generation: 2 }],
  ['changes only the plan', { plan: 'large' }, { ...spec, plan: 'large', generation: 2 }],
  ['with null for the keys removes them', { sshKeys: null }, { ...spec, sshKeys: [], generation: 2 }],
  ['with an empty list of keys removes them', { sshKeys: [] }, { ...spec, sshKeys: [], generation: 2 }],
  ['with null for the labels removes all of them', { labels: null }, { ...spec, labels: {}, generation: 2 }],
  ['with null for a label removes that label', { labels: { a: null } }, { ...spec, labels: { b: '2' }, generation: 2 }],
  ['with null for an unknown label changes nothing', { labels: { c: null } }, unchanged],
  ['with an empty object of labels changes nothing', { labels: {} }, unchanged],
  ['merges labels', { labels: { a: '3', c: '4' } }, { ...spec, labels: { a: '3', b: '2', c: '4' }, generation: 2 }],
]
for (const [title, patch, expected] of patches) {
  void t.test(`PATCH account ${title}`, async (t) => {
    const { database, request } = await start(t)
    await startLooking(t, database.agent)
    await request('PUT', '/v1/accounts/blog', spec)
    const { status, body } = await request('PATCH', '/v1/accounts/blog', patch)
    t.equal(status, 200)
    const { plan, sshKeys, state, labels, generation } = body
    t.strictSame({ plan, sshKeys, state, labels, generation }, expected)
    t.strictSame((await request('GET', '/v1/accounts/blog')).body, body)
  })
}

void t.test('PATCH account returns 202 while the host has not observed it', async (t) => {
  const { request } = await start(t)
  await request('PUT', '/v1/accounts/blog', { plan: 'small' })
  t.match(await request('PATCH', '/v1/accounts/blog', { state: 'suspended' }), { status: 202, body: { generation: 2 } })
})

void t.test('DELETE account is idempotent and frees the name at once', async (t) => {
  const { request, database } = await start(t)
  await request('PUT', '/v1/accounts/blog', { plan: 'small' })
  await request('PUT', '/v1/domains/example.com', { account: 'blog', port: 10_240 })
  const deleted = await request('DELETE', '/v1/accounts/blog')
  t.strictSame([deleted.status, deleted.body], [204, {}])
  isProblem(t, await request('GET', '/v1/accounts/blog'), { status: 404, code: 'account_not_found' })
  isProblem(t, await request('GET', '/v1/domains/example.com'), { status: 404, code: 'domain_not_found' })
  t.match(await request('DELETE', '/v1/accounts/blog'), { status: 204 })
  t.strictSame(await database.owner.query('select state, evicted from slots where n = 0'), [
    { state: 'dirty', evicted: false },
  ])
  const again = await request('PUT', '/v1/accounts/blog', { plan: 'small' })
  t.match(again, { status: 202, body: { user: 'p10001', generation: 1 } })
  t.strictSame(again.body['domains'], [])
})

void t.test('DELETE account waits until the agent has removed the account', async (t) => {
  const { request, database } = await start(t)
  await startLooking(t, database.agent)
  await request('PUT', '/v1/accounts/blog', { plan: 'small' })
  t.match(await request('DELETE', '/v1/accounts/blog'), { status: 204 })
  t.strictSame(await database.owner.query('select id from accounts'), [])
})

void t.test('PUT account without a free slot creates an account that waits for one', async (t) => {
  const { request } = await start(t, 0)
  const { status, body } = await request('PUT', '/v1/accounts/blog', { plan: 'small' })
  t.equal(status, 202)
  t.strictSame(body['ports'], [])
  t.notOk('user' in body)
})

void t.test('GET accounts lists each account once, in pages', async (t) => {
  const { request } = await start(t)
  for (const name of ['c', 'a', 'b']) await request('PUT', `/v1/accounts/${name}`, { plan: 'small' })
  const first = await request('GET', '/v1/accounts?limit=2')
  t.strictSame(names(first), ['c', 'a'], 'oldest first')
  const second = await request('GET', `/v1/accounts?limit=2&cursor=${String(first.body['nextCursor'])}`)
  t.strictSame(names(second), ['b'])
  t.notOk('nextCursor' in second.body, 'absent at the end')
  t.notOk('nextCursor' in (await request('GET', '/v1/accounts?limit=3')).body, 'absent when all fit')
})

void t.test('GET account lists its domains', async (t) => {
  const { request } = await start(t)
  for (const name of ['a', 'b']) await request('PUT', `/v1/accounts/${name}`, { plan: 'small' })
  await request('PUT', '/v1/domains/b.example.com', { account: 'a', port: 10_241 })
  await request('PUT', '/v1/domains/a.example.com', { account: 'a', port: 10_240 })
  const domains = [
    { name: 'a.example.com', port: 10_240 },
    { name: 'b.example.com', port: 10_241 },
  ]
  t.strictSame((await request('GET', '/v1/accounts/a')).body['domains'], domains)
  t.strictSame((await request('GET', '/v1/accounts/b')).body['domains'], [])
})

void t.test('GET usage starts at zero and returns what was counted', async (t) => {
  const { request, database } = await start(t)
  await request('PUT', '/v1/accounts/blog', { plan: 'small' })
  const account = await request('GET', '/v1/accounts/blog')
  t.match(await request('GET', '/v1/accounts/blog/usage'), {
    status: 200,
    body: {
      requests: 0,
      bytesIn: 0,
      bytesOut: 0,
      since: account.body['createdAt'],
      sampledAt: account.body['createdAt'],
    },
  })
  const big = Number.MAX_SAFE_INTEGER
  await database.agent.query(
    'insert into usage (account, requests, bytes_in, bytes_out) select id, 3, 100, $1 from accounts',
    [big],
  )
  t.match(await request('GET', '/v1/accounts/blog/usage'), {
    status: 200,
    body: { requests: 3, bytesIn: 100, bytesOut: big },
  })
  t.notOk('traffic' in (await request('GET', '/v1/accounts/blog/usage')).body, 'absent until it is counted')
  await database.agent.query('update usage set sent = $1, received = 0', [big])
  t.match(await request('GET', '/v1/accounts/blog/usage'), {
    status: 200,
    body: { requests: 3, traffic: { sent: big, received: 0 } },
  })
  const disk = { bytes: { used: 4096, limit: big }, inodes: { used: 1 } }
  await database.agent.query('update usage set disk = $1', [JSON.stringify(disk)])
  t.strictSame((await request('GET', '/v1/accounts/blog/usage')).body['disk'], disk)
})

void t.test('a reseller reads and changes only its own accounts', async (t) => {
  const { request, acme, bolt } = await start(t)
  await request('PUT', '/v1/accounts/shop', { plan: 'small' }, acme)
  const missing = { status: 404, code: 'account_not_found' }
  isProblem(t, await request('GET', '/v1/accounts/shop', undefined, bolt), missing)
  isProblem(t, await request('GET', '/v1/accounts/shop/usage', undefined, bolt), missing)
  isProblem(t, await request('PATCH', '/v1/accounts/shop', { state: 'suspended' }, bolt), missing)
  t.match(
    await request('DELETE', '/v1/accounts/shop', undefined, bolt),
    { status: 204 },
    'as if the account did not exist',
  )
  t.strictSame(names(await request('GET', '/v1/accounts', undefined, bolt)), [])
  t.match(await request('GET', '/v1/accounts/shop', undefined, acme), {
    status: 200,
    body: { state: 'active', generation: 1 },
  })
})

void t.test('two resellers can use the same account name', async (t) => {
  const { request, acme, bolt } = await start(t)
  t.match(await request('PUT', '/v1/accounts/shop', { plan: 'small' }, acme), {
    body: { reseller: 'acme', user: 'p10000' },
  })
  t.match(await request('PUT', '/v1/accounts/shop', { plan: 'large' }, bolt), {
    body: { reseller: 'bolt', user: 'p10001' },
  })
  t.match(await request('PUT', '/v1/accounts/shop', { plan: 'large' }), { body: { reseller: 'root', user: 'p10002' } })
  t.match(await request('GET', '/v1/accounts/shop', undefined, acme), { body: { plan: 'small' } })
})

void t.test('an admin can name a reseller, and lists the accounts of all resellers', async (t) => {
  const { request, acme } = await start(t)
  await request('PUT', '/v1/accounts/shop', { plan: 'small' }, acme)
  await request('PUT', '/v1/accounts/blog', { plan: 'small' })
  t.strictSame(names(await request('GET', '/v1/accounts')), ['shop', 'blog'])
  t.strictSame(names(await request('GET', '/v1/accounts?reseller=acme')), ['shop'])
  t.strictSame(names(await request('GET', '/v1/accounts?reseller=root')), ['blog'])
  isProblem(t, await request('GET', '/v1/accounts/shop'), { status: 404, code: 'account_not_found' })
  t.match(await request('GET', '/v1/accounts/shop?reseller=acme'), { status: 200, body: { reseller: 'acme' } })
  t.match(await request('GET', '/v1/accounts/shop/usage?reseller=acme'), { status: 200 })
  t.match(await request('PATCH', '/v1/accounts/shop?reseller=acme', { state: 'suspended' }), {
    body: { state: 'suspended' },
  })
  t.match(await request('PUT', '/v1/accounts/second?reseller=acme', { plan: 'small' }), { body: { reseller: 'acme' } })
  t.match(await request('DELETE', '/v1/accounts/shop?reseller=acme'), { status: 204 })
  t.strictSame(names(await request('GET', '/v1/accounts', undefined, acme)), ['second'])
})

void t.test('a reseller cannot name another reseller', async (t) => {
  const { request, acme } = await start(t)
  t.match(await request('GET', '/v1/accounts?reseller=acme', undefined, acme), { status: 200 })
  const forbidden = { status: 403, code: 'forbidden' }
  isProblem(t, await request('GET', '/v1/accounts?reseller=bolt', undefined, acme), forbidden)
  isProblem(t, await request('GET', '/v1/accounts/a?reseller=bolt', undefined, acme), forbidden)
  isProblem(t, await request('PUT', '/v1/accounts/a?reseller=bolt', { plan: 'small' }, acme), forbidden)
  isProblem(t, await request('PATCH', '/v1/accounts/a?reseller=bolt', {}, acme), forbidden)
  isProblem(t, await request('DELETE', '/v1/accounts/a?reseller=bolt', undefined, acme), forbidden)
  isProblem(t, await request('GET', '/v1/accounts/a/usage?reseller=bolt', undefined, acme), forbidden)
})

void t.test('only admins receive the messages of conditions', async (t) => {
  const { request, acme, database } = await start(t)
  await startLooking(t, database.agent)
  const put = await request('PUT', '/v1/accounts/shop', { plan: 'small' }, acme)
  const [{ message, ...without }] = contented
  t.strictSame(put.body['conditions'], [without])
  t.strictSame((await request('GET', '/v1/accounts/shop', undefined, acme)).body['conditions'], [without])
  t.strictSame((await request('GET', '/v1/accounts/shop?reseller=acme')).body['conditions'], [{ ...without, message }])
})

void t.test('concurrent PUTs of one account create it once', async (t) => {
  const { request, database } = await start(t)
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => request('PUT', '/v1/accounts/blog', { plan: 'small' })),
  )
  t.strictSame(
    answers.map(({ status }) => status),
    Array(8).fill(202),
  )
  t.strictSame(await database.owner.query(`select count(*)::int from slots where state = 'taken'`), [{ count: 1 }])
  t.strictSame(await database.owner.query(`select count(*)::int from audit where action = 'account.create'`), [
    { count: 1 },
  ])
})

void t.test('PUT account that waits returns when the account is deleted', async (t) => {
  const { request, database } = await start(t)
  await database.agent.query(`update hosts set heartbeat_at = now() + interval '1 hour'`)
  const waiting = request('PUT', '/v1/accounts/blog', { plan: 'small' }, { headers: { prefer: 'wait=60' } })
  const rows = () => database.owner.query('select id from accounts')
  while ((await rows()).length === 0) await sleep(10)
  await request('DELETE', '/v1/accounts/blog', undefined, { headers: { prefer: 'respond-async' } })
  await database.agent.query('delete from accounts')
  t.match(await waiting, { status: 202, body: { name: 'blog', observedGeneration: 0 } })
})

void t.test(
  'PATCH account accepts the media type of merge patches, sets a null state to active, and keeps two concurrent changes',
  async (t) => {
    const database = await postgres.create(t)
    const { request } = await startApp(t, database)
    await addHost(database.agent)
    await request('PUT', '/v1/plans/small', smallPlan)
    await request('PUT', '/v1/accounts/blog', { plan: 'small', state: 'suspended', labels: { a: '1' } })
    const patch = (body: unknown) =>
      request('PATCH', '/v1/accounts/blog', body, {
        headers: { 'content-type': 'application/merge-patch+json', prefer: 'respond-async' },
      })
    t.match(await patch({ state: null }), { status: 202, body: { state: 'active' } })
    await Promise.all([patch({ labels: { b: '2' } }), patch({ labels: { c: '3' } })])
    t.match(await request('GET', '/v1/accounts/blog'), { body: { labels: { a: '1', b: '2', c: '3' } } })
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`x${index}`, '']))
    const refused = await patch({ labels: many })
    t.match(refused, { status: 400, body: { code: 'request_invalid' } })
    t.matchOnlyStrict(refused.body['errors'], [{ pointer: '/labels', detail: /\S/ }])
    t.strictSame((await patch({ labels: null })).body['labels'], {})
  },
)

import t, { type Test } from 'tap'
import { addHost, addReseller, smallPlan, sshKey, startPostgres } from '@puppy/state/testing'
import { auditDetails } from '@puppy/state/store/audit'
import { startApp } from './support/app.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)

/** Starts a service with everything that the rows below change. */
async function start(t: Test) {
  const database = await postgres.create(t)
  const service = await startApp(t, database)
  const { request } = service
  await addHost(database.agent)
  for (const plan of ['small', 'unused']) await request('PUT', `/v1/plans/${plan}`, smallPlan)
  await request('PUT', '/v1/accounts/blog', { plan: 'small' })
  await request('PUT', '/v1/domains/example.com', { account: 'blog', port: 10_240 })
  const audit = () => database.owner.query('select * from audit order by id')
  return { ...service, audit, database }
}

type Row = readonly [
  title: string,
  method: 'PUT' | 'PATCH' | 'DELETE',
  url: string,
  body: object | undefined,
  entry: object,
]
const account = { plan: 'small', sshKeys: [], state: 'active', labels: {} }
const changed = (fields: object) => auditDetails({ before: account, after: { ...account, ...fields } })
const rows: readonly Row[] = [
  [
    'a new plan',
    'PUT',
    '/v1/plans/new',
    smallPlan,
    { action: 'plan.create', target: 'new', details: auditDetails({ after: smallPlan }) },
  ],
  [
    'a changed plan',
    'PUT',
    '/v1/plans/small',
    { ...smallPlan, ports: 8 },
    {
      action: 'plan.replace',
      target: 'small',
      details: auditDetails({ before: smallPlan, after: { ...smallPlan, ports: 8 } }),
    },
  ],
  ['a deleted plan', 'DELETE', '/v1/plans/unused', undefined, { action: 'plan.delete', target: 'unused' }],
  [
    'a new account',
    'PUT',
    '/v1/accounts/new',
    { plan: 'small', sshKeys: [sshKey] },
    {
      action: 'account.create',
      target: 'root/new',
      details: auditDetails({ after: { ...account, sshKeys: [sshKey] } }),
    },
  ],
  [
    'a changed account',
    'PUT',
    '/v1/accounts/blog',
    { plan: 'small', state: 'suspended' },
    { action: 'account.change', target: 'root/blog', details: changed({ state: 'suspended' }) },
  ],
  [
    'a patched account',
    'PATCH',
    '/v1/accounts/blog',
    { labels: { a: '1' } },
    { action: 'account.change', target: 'root/blog', details: changed({ labels: { a: '1' } }) },
  ],
  [
    'a deleted account with its domain',
    'DELETE',
    '/v1/accounts/blog',
    undefined,
    { action: 'account.delete', target: 'root/blog' },
  ],
  [
    'a new domain',
    'PUT',
    '/v1/domains/new.example.com',
    { account: 'blog', port: 10_241 },
    {
      action: 'domain.create',
      target: 'new.example.com',
      details: auditDetails({ after: { account: 'blog', port: 10_241 } }),
    },
  ],
  [
    'a moved domain',
    'PUT',
    '/v1/domains/example.com',
    { account: 'blog', port: 10_241 },
    {
      action: 'domain.move',
      target: 'example.com',
      details: auditDetails({ before: { account: 'blog', port: 10_240 }, after: { account: 'blog', port: 10_241 } }),
    },
  ],
  [
    'a deleted domain',
    'DELETE',
    '/v1/domains/example.com',
    undefined,
    { action: 'domain.delete', target: 'example.com' },
  ],
  [
    'a changed pool',
    'PUT',
    '/v1/hosts/h1/pool',
    { free: 5, max: 50 },
    {
      action: 'pool.change',
      target: 'h1',
      details: auditDetails({ before: { free: 10, max: 2816 }, after: { free: 5, max: 50 } }),
    },
  ],
]
for (const [title, method, url, body, entry] of rows) {
  void t.test(`${title} writes one audit row, and no second one when it is repeated`, async (t) => {
    const { request, adminKey, audit } = await start(t)
    const before = await audit()
    const headers = { 'request-id': 'change-1', 'x-forwarded-for': '192.0.2.66' }
    const { status } = await request(method, url, body, { headers })
    t.ok(status >= 200 && status < 300, `answers ${status}`)
    const after = await audit()
    t.strictSame(after.slice(0, before.length), before, 'earlier rows do not change')
    t.equal(after.length, before.length + 1)
    t.matchOnlyStrict(after.at(-1), {
      id: Number,
      at: Date,
      key_id: adminKey.split('_')[1],
      reseller: 'root',
      address: '127.0.0.1',
      request_id: 'change-1',
      details: {},
      ...entry,
    })
    await request(method, url, body)
    t.equal((await audit()).length, after.length)
  })
}

void t.test('a write of an admin for a reseller is recorded with the key of the admin', async (t) => {
  const { request, adminKey, audit, database } = await start(t)
  await addReseller(database.owner, 'acme')
  await request('PUT', '/v1/accounts/shop?reseller=acme', { plan: 'small' })
  t.match((await audit()).at(-1), { key_id: adminKey.split('_')[1], reseller: 'root', target: 'acme/shop' })
})

void t.test('the audit grows by less than 2 KiB with each of the largest requests', async (t) => {
  const { request, audit } = await start(t)
  const size = async () => JSON.stringify((await audit()).map(({ details }) => details)).length
  const [keys, labels] = [Array.from({ length: 90 }, () => sshKey), {} as Record<string, string>]
  for (let n = 0; n < 32; n += 1) labels[`${'l'.repeat(60)}${n}`] = 'v'.repeat(255)
  const before = await size()
  for (let n = 0; n < 10; n += 1) {
    const sshKeys = keys.map((key) => `${key} ${n} ${'x'.repeat(1000)}`)
    const { status } = await request('PUT', '/v1/accounts/blog', { plan: 'small', sshKeys, labels })
    t.equal(status, 202)
  }
  t.ok((await size()) - before < 10 * 2048, `${(await size()) - before} bytes`)
})

void t.test('the audit contains no key, secret or digest', async (t) => {
  const { adminKey, audit } = await start(t)
  const text = JSON.stringify(await audit())
  t.match(text, 'account.create')
  t.notMatch(text, adminKey.split('_')[2] ?? adminKey)
})

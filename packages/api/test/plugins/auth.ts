import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { actorOf, authPlugin, callerOf, resellerOf } from '../../src/plugins/auth.ts'
import { errorsPlugin } from '../../src/plugins/errors.ts'
import { generateKey, insertKey } from '@puppy/state/store/keys'
import { addReseller, startPostgres, type TestDatabase } from '@puppy/state/testing'
import { startApp } from '../support/app.ts'
import { operations } from '../support/operations.ts'
import { isProblem } from '../support/problem.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)

/** Starts an app whose routes return their caller. */
async function echoing(t: Test, { api }: TestDatabase): Promise<FastifyInstance> {
  const app = Fastify({ genReqId: () => 'r1' })
  t.teardown(() => app.close())
  await app.register(errorsPlugin)
  await app.register(authPlugin, { database: api })
  app.get('/public', { config: { access: 'public' } }, async (request) => ({ caller: request.caller }))
  app.get('/careless', { config: { access: 'public' } }, async (request) => callerOf(request))
  app.get('/mine', async (request) => actorOf(request))
  app.get<{ Querystring: { reseller?: string } }>('/whose', async (request) => ({
    reseller: resellerOf(request, request.query.reseller),
  }))
  app.get('/admin', { config: { access: 'admin' } }, async () => ({}))
  await app.ready()
  return app
}

function bearer(key: string) {
  return { authorization: `Bearer ${key}` }
}

void t.test('actorOf() returns the key, the address and the request', async (t) => {
  const database = await postgres.create(t)
  const key = await addReseller(database.owner, 'acme')
  const app = await echoing(t, database)
  const answer = await app.inject({ url: '/mine', headers: bearer(key), remoteAddress: '192.0.2.7' })
  t.strictSame(answer.json(), {
    caller: { key: key.split('_')[1], reseller: 'acme', admin: false },
    address: '192.0.2.7',
    requestId: 'r1',
  })
})

void t.test('authPlugin identifies no caller on a public route', async (t) => {
  const app = await echoing(t, await postgres.create(t))
  t.strictSame((await app.inject({ url: '/public', headers: bearer('nonsense') })).json(), { caller: null })
})

void t.test('callerOf() throws on a public route', async (t) => {
  const app = await echoing(t, await postgres.create(t))
  t.match((await app.inject('/careless')).json(), { status: 401, code: 'unauthorized' })
})

void t.test('authPlugin allows only admins on an admin route', async (t) => {
  const database = await postgres.create(t)
  const reseller = await addReseller(database.owner, 'acme')
  const admin = generateKey()
  await insertKey(database.owner, admin, { reseller: 'root', scopes: ['admin'], label: '' })
  const app = await echoing(t, database)
  t.equal((await app.inject({ url: '/admin', headers: bearer(admin) })).statusCode, 200)
  t.match((await app.inject({ url: '/admin', headers: bearer(reseller) })).json(), { status: 403, code: 'forbidden' })
})

void t.test('resellerOf() allows only admins to name another reseller', async (t) => {
  const database = await postgres.create(t)
  const reseller = await addReseller(database.owner, 'acme')
  const admin = generateKey()
  await insertKey(database.owner, admin, { reseller: 'root', scopes: ['admin'], label: '' })
  const app = await echoing(t, database)
  const ask = async (key: string, query = '') =>
    (await app.inject({ url: `/whose${query}`, headers: bearer(key) })).json()
  t.strictSame(await ask(admin), { reseller: 'root' })
  t.strictSame(await ask(admin, '?reseller=acme'), { reseller: 'acme' })
  t.strictSame(await ask(reseller), { reseller: 'acme' })
  t.strictSame(await ask(reseller, '?reseller=acme'), { reseller: 'acme' }, 'the reseller of the key')
  t.match(await ask(reseller, '?reseller=root'), { status: 403, code: 'forbidden' })
})

const schemes: readonly [string, (key: string) => string, number][] = [
  ['Bearer', (key) => `Bearer ${key}`, 200],
  ['Bearer in lower case and with spaces', (key) => `bearer   ${key}`, 200],
  ['no scheme', (key) => key, 401],
  ['Basic', (key) => `Basic ${Buffer.from(`${key}:`).toString('base64')}`, 401],
  ['two keys', (key) => `Bearer ${key} ${key}`, 401],
  ['nothing after the scheme', () => 'Bearer', 401],
]
for (const [title, header, status] of schemes) {
  void t.test(`authPlugin answers ${status} to ${title}`, async (t) => {
    const database = await postgres.create(t)
    const key = await addReseller(database.owner, 'acme')
    const app = await echoing(t, database)
    t.equal((await app.inject({ url: '/mine', headers: { authorization: header(key) } })).statusCode, status)
  })
}

const shared = await postgres.create(t)
const { request } = await startApp(t, shared)
const good = await addReseller(shared.owner, 'acme')
const [, id = '', secret = ''] = good.split('_')

const bad: readonly [string, string | null][] = [
  ['no key', null],
  ['an empty key', ''],
  ['a key of another form', 'sk_live_1234'],
  ['an unknown key', generateKey()],
  ['a wrong secret', `puppy_${id}_${secret.replaceAll(/./g, 'a')}`],
  ['a secret that is cut short', `puppy_${id}_${secret.slice(0, -1)}`],
  ['a secret with one more character', `puppy_${id}_${secret}a`],
  ['capital letters', good.toUpperCase()],
  ['the id of one key with the secret of another', `puppy_${id}_${generateKey().split('_')[2]}`],
  ['a very long key', `puppy_${id}_${'a'.repeat(8000)}`],
  ['SQL', `puppy_${id}'--_${secret}`],
]
for (const [title, key] of bad) {
  void t.test(`authPlugin answers 401 to ${title}`, async (t) => {
    const answer = await request('GET', '/v1/plans', undefined, { key })
    isProblem(t, answer, { status: 401, code: 'unauthorized' })
    t.equal(answer.headers['www-authenticate'], 'Bearer')
  })
}

const ended: readonly [string, string][] = [
  ['revoked', 'revoked_at = now()'],
  ['expired', `expires_at = now() - interval '1 second'`],
]
for (const [title, change] of ended) {
  void t.test(`authPlugin answers 401 to a key that is ${title}`, async (t) => {
    const key = generateKey()
    await insertKey(shared.owner, key, { reseller: 'acme', scopes: ['reseller'], label: title })
    t.match(await request('GET', '/v1/plans', undefined, { key }), { status: 200 })
    await shared.owner.query(`update keys set ${change} where label = $1`, [title])
    isProblem(t, await request('GET', '/v1/plans', undefined, { key }), { status: 401, code: 'unauthorized' })
  })
}

for (const { method, url, access, body } of operations.filter((operation) => operation.access !== 'public')) {
  void t.test(`${method} ${url} requires a key`, async (t) => {
    isProblem(t, await request(method, url, body, { key: null }), { status: 401, code: 'unauthorized' })
    const raw = { key: null, raw: 'x'.repeat(2_000_000) }
    t.equal((await request(method, url, undefined, raw)).status, 401, 'before the body is read')
  })
  if (access !== 'admin') continue
  void t.test(`${method} ${url} requires an admin key`, async (t) => {
    isProblem(t, await request(method, url, body, { key: good }), { status: 403, code: 'forbidden' })
  })
}

for (const { method, url } of operations.filter((operation) => operation.access === 'public')) {
  void t.test(`${method} ${url} requires no key`, async (t) => {
    t.not((await request(method, url, undefined, { key: null })).status, 401)
  })
}

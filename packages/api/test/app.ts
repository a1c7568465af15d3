import t from 'tap'
import { startApp } from './support/app.ts'
import { startPostgres } from '@puppy/state/testing'
import { isProblem } from './support/problem.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)
const { app, request } = await startApp(t, await postgres.create(t))
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const kept: readonly [string, string][] = [
  ['a word', 'deploy-42'],
  ['every allowed character', 'Az09._:-'],
  ['the longest', 'a'.repeat(128)],
]
for (const [title, id] of kept) {
  void t.test(`createApp() keeps a request id: ${title}`, async (t) => {
    const headers = { 'request-id': id }
    t.equal((await request('GET', '/livez', undefined, { headers })).headers['request-id'], id)
    t.equal((await request('GET', '/v1/plans/none', undefined, { headers })).body['requestId'], id)
  })
}

const replaced: readonly [string, string][] = [
  ['an empty one', ''],
  ['one that is too long', 'a'.repeat(129)],
  ['one with spaces', 'a b'],
  ['one with a quote', `a"b`],
  ['one with markup', '<script>'],
  ['one with a path', '../../etc'],
  ['one with letters outside ASCII', 'über'],
]
for (const [title, id] of replaced) {
  void t.test(`createApp() replaces a request id: ${title}`, async (t) => {
    const headers = { 'request-id': id }
    t.match((await request('GET', '/livez', undefined, { headers })).headers['request-id'], uuid)
    t.match((await request('GET', '/v1/plans/none', undefined, { headers })).body['requestId'], uuid)
  })
}

void t.test('createApp() makes a different id for each request', async (t) => {
  const ids = [await request('GET', '/livez'), await request('GET', '/livez')].map(
    ({ headers }) => headers['request-id'],
  )
  t.matchOnlyStrict(ids, [uuid, uuid])
  t.not(ids[0], ids[1])
})

void t.test('createApp() sends the request id in responses that reach no route', async (t) => {
  const headers = { 'request-id': 'r1' }
  for (const url of ['/nothing', '/v1/plans/%zz', `/v1/domains/${'a'.repeat(400)}`]) {
    const answer = await request('GET', url, undefined, { headers })
    t.equal(answer.headers['request-id'], 'r1')
    t.equal(answer.body['requestId'], 'r1')
  }
})

void t.test('createApp() answers HEAD like GET, without a body', async (t) => {
  const answer = await app.inject({ method: 'HEAD', url: '/livez' })
  t.equal(answer.statusCode, 200)
  t.equal(answer.body, '')
})

for (const [method, url, kibibytes] of [
  ['PUT', '/v1/plans/small', 16],
  ['PUT', '/v1/domains/example.com', 16],
  ['PUT', '/v1/hosts/h1/pool', 16],
  ['PUT', '/v1/accounts/blog', 256],
  ['PATCH', '/v1/accounts/blog', 256],
] as const) {
  void t.test(`createApp() accepts a body of ${kibibytes} KiB, and no larger one: ${method} ${url}`, async (t) => {
    const bodyOf = (length: number) => {
      const raw = JSON.stringify({ nope: '' })
      return raw.replace('""', JSON.stringify('a'.repeat(length - raw.length)))
    }
    const send = (length: number) => request(method, url, undefined, { raw: bodyOf(length) })
    isProblem(t, await send(kibibytes * 1024), { status: 400, code: 'request_invalid', pointer: '/nope' })
    const refused = await send(kibibytes * 1024 + 1)
    isProblem(t, refused, { status: 413, code: 'payload_too_large' })
    t.match(refused.body['detail'], `${kibibytes} KiB`)
  })
}

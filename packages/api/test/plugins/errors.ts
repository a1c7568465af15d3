import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { DatabaseError } from '@puppy/state'
import t, { type Test } from 'tap'
import { ApiError } from '../../src/errors.ts'
import { answerBadPath, answerBadRequest, errorsPlugin } from '../../src/plugins/errors.ts'

/** Starts an app whose routes fail in different ways. */
async function failing(t: Test): Promise<FastifyInstance> {
  const app = Fastify({
    bodyLimit: 1000,
    requestTimeout: 500,
    connectionTimeout: 0,
    frameworkErrors: (error, request, reply) => void answerBadPath(error, request, reply),
    clientErrorHandler: answerBadRequest,
  })
  t.teardown(() => app.close())
  await app.register(errorsPlugin)
  const failures: Readonly<Record<string, () => unknown>> = {
    away: () => new DatabaseError('It does not answer'),
    taken: () => new ApiError('domain_taken', 'It is taken', [{ pointer: 'domain', detail: 'taken' }]),
    bug: () => new TypeError('secret is not a function'),
    syntax: () => new SyntaxError('Unexpected token in secret'),
    teapot: () => Object.assign(new Error('short and stout'), { statusCode: 418 }),
  }
  for (const [path, failure] of Object.entries(failures)) {
    app.get(`/${path}`, async () => {
      throw failure()
    })
  }
  app.put('/things/:thing', async () => 'done')
  app.delete('/things/:thing', async () => 'done')
  await app.ready()
  return app
}

const rows: readonly [string, string, string, object, errors?: readonly object[]][] = [
  [
    'an ApiError',
    'GET',
    '/taken',
    { status: 409, code: 'domain_taken', detail: 'It is taken' },
    [{ pointer: 'domain', detail: 'taken' }],
  ],
  ['an unavailable database', 'GET', '/away', { status: 503, code: 'database_unavailable' }],
  ['a bug without its message', 'GET', '/bug', { status: 500, code: 'internal', detail: /^(?!.*secret)/ }],
  ['a SyntaxError that is a bug', 'GET', '/syntax', { status: 500, code: 'internal', detail: /^(?!.*secret)/ }],
  [
    'an error of Fastify without a code of the API',
    'GET',
    '/teapot',
    { status: 400, code: 'request_invalid', detail: 'short and stout' },
  ],
  ['an unknown path', 'GET', '/nothing', { status: 404, code: 'not_found' }],
  ['a path with a broken percent sign', 'GET', '/things/%zz', { status: 400, code: 'request_invalid' }],
  ['a part of a path that is too long', 'PUT', `/things/${'a'.repeat(500)}`, { status: 400, code: 'request_invalid' }],
  [
    'a method that is not allowed',
    'PATCH',
    '/things/a',
    { status: 405, code: 'method_not_allowed', detail: 'Method PATCH is not allowed here. Allowed: DELETE, PUT.' },
  ],
]
for (const [title, method, url, expected, errors] of rows) {
  void t.test(`errorsPlugin answers ${title} with a problem`, async (t) => {
    const app = await failing(t)
    const answer = await app.inject({ method: method as 'GET', url })
    t.equal(answer.headers['content-type'], 'application/problem+json')
    t.match(answer.json(), { ...expected, requestId: String })
    t.strictSame(answer.json<{ errors?: readonly object[] }>().errors, errors)
    t.equal(answer.statusCode, answer.json<{ status: number }>().status)
  })
}

void t.test('errorsPlugin sends Retry-After for an unavailable database', async (t) => {
  const app = await failing(t)
  t.equal((await app.inject('/away')).headers['retry-after'], '1')
  t.equal((await app.inject('/bug')).headers['retry-after'], undefined)
})

void t.test('errorsPlugin sends the allowed methods of a path', async (t) => {
  const app = await failing(t)
  t.equal((await app.inject({ method: 'POST', url: '/things/a?b=c' })).headers.allow, 'DELETE, PUT')
  t.equal((await app.inject({ method: 'POST', url: '/bug' })).headers.allow, 'GET, HEAD')
})

void t.test('errorsPlugin cuts off a long path in the detail', async (t) => {
  const app = await failing(t)
  const { detail } = (await app.inject(`/${'a/'.repeat(5000)}`)).json<{ detail: string }>()
  t.ok(detail.length < 300)
})

/** Sends bytes to a listening app. Returns everything that it sends until it closes the connection. */
async function exchange(app: FastifyInstance, bytes: string): Promise<string> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  socket.write(bytes)
  await once(socket, 'close')
  return text
}

const unreadable: readonly [string, string, number][] = [
  ['a request that is not HTTP', 'hello there\r\n\r\n', 400],
  ['an overlong URL', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nhost: a\r\n\r\n`, 431],
  ['overlong headers', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
  ['a header with a NUL', 'GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n', 400],
  ['two lengths', 'PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 400],
]
for (const [title, bytes, status] of unreadable) {
  void t.test(`answerBadRequest() answers ${title} with a problem`, async (t) => {
    const text = await exchange(await failing(t), bytes)
    const [head = '', body = ''] = text.split('\r\n\r\n')
    t.match(head, new RegExp(`^HTTP/1.1 ${status} `))
    t.match(head, /\r\ncontent-type: application\/problem\+json\r\n/)
    t.match(head, new RegExp(`\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`))
    const problem = JSON.parse(body) as { readonly requestId: string }
    t.match(problem, { status, code: 'request_invalid', detail: /\S/ })
    t.match(head, `request-id: ${problem.requestId}`)
  })
}

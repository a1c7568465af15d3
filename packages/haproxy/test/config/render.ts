import { waitFor } from '@puppy/host'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import t, { type Test } from 'tap'
import { configDescription, renderConfig } from '../../src/config/render.ts'
import { hasIpv6 } from '../../src/config/read.ts'
import { freePort } from '@puppy/host/testing'
import {
  get,
  makeCertificate,
  parseAnswer,
  range,
  skip,
  skipTls,
  slotOf,
  talk,
  tenant,
  testFolder,
  testProxy,
  told,
} from '../support/proxy.ts'
import { startRendered } from '../support/rendered.ts'

const settings = { folder: '/f', runFolder: '/r', listen: [':80'], connectionsPerTenant: 50, ...range }

void t.test('renderConfig() renders the same text and the same description for the same settings', async (t) => {
  const text = renderConfig(settings)
  t.equal(text, renderConfig({ ...settings }))
  t.match(configDescription(text), /^puppy-[0-9a-f]{16}$/)
  t.not(configDescription(text), configDescription(renderConfig({ ...settings, slots: 100 })))
})

void t.test('renderConfig() uses the crt-list only for the description', async (t) => {
  const [one, other] = ['# 01\n/c/a.pem\n', '# 02\n/c/a.pem\n'].map((crtList) => renderConfig(settings, { crtList }))
  t.not(configDescription(one ?? ''), configDescription(other ?? ''))
  t.equal(one?.length, other?.length)
})

void t.test('renderConfig() names user and group only when the settings do', async (t) => {
  t.notMatch(renderConfig(settings), /^ {2}(user|group|chroot)/m)
  const text = renderConfig({ ...settings, user: 'haproxy', group: 'puppy' })
  t.match(text, /^ {2}user haproxy\n {2}group puppy$/m)
  t.match(text, /^ {2}bind unix@\/\S+\/peers\/sock mode 666$/m)
})

void t.test('renderConfig() limits the age and the number of old workers', async (t) => {
  t.match(renderConfig(settings), /hard-stop-after 30m\n {2}mworker-max-reloads 4\n/)
})

void t.test('renderConfig() turns off certificate checks of the HTTP client inside HAProxy', async (t) => {
  t.match(renderConfig(settings), /^ {2}\.if feature\(OPENSSL\)\n {2}httpclient\.ssl\.verify none\n {2}\.endif$/m)
})

void t.test('renderConfig() loads Lua for each thread', async (t) => {
  // With `lua-load`, HAProxy 2.6 aborts within seconds of sixty clients that upload at a time ("attempt to index a thread value").
  t.match(renderConfig({ ...settings, folder: '/f g' }), /^ {2}lua-load-per-thread '\/f g\/request-body\.lua'$/m)
  t.notMatch(renderConfig(settings), /lua-load /)
})

void t.test('renderConfig() refuses what assertSettings() refuses', async (t) => {
  t.throws(() => renderConfig({ ...settings, listen: [] }), { code: 'HAPROXY_SETTINGS_INVALID' })
})

void t.test('configDescription() returns undefined for any other text', async (t) => {
  t.equal(configDescription('global\n  description other\n'), undefined)
})

void t.test('the configuration with a running HAProxy', { skip }, async (t) => {
  const blog = await tenant(t)
  const quiet = await tenant(t)
  const { haproxy, port, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const dead = range.firstPort + 1
  await haproxy.routes.ensure({
    ...range,
    routes: [
      { domain: 'blog.example.com', port: blog.port },
      { domain: 'quiet.example.com', port: quiet.port },
      { domain: 'dead.example.com', port: dead },
    ],
    suspended: [slotOf(quiet.port)],
  })

  await t.test('a known host is served in any case, with a port or a trailing dot', async (t) => {
    for (const host of ['blog.example.com', 'BLOG.example.com.:80', 'Blog.Example.Com:65535']) {
      t.equal((await get(port, host)).status, 200, host)
    }
  })

  const refusals: [title: string, host: string, status: number, body: string][] = [
    ['an unknown host', 'x.example.com', 404, 'Not found\n'],
    ['a list of hosts', 'blog.example.com,x.example.com', 400, 'Bad request\n'],
    ['a list that ends in a known host', 'x.example.com,blog.example.com', 400, 'Bad request\n'],
    ['a sub-domain', 'a.blog.example.com', 404, 'Not found\n'],
    ['an address', '127.0.0.1', 404, 'Not found\n'],
    ['an empty host', '', 404, 'Not found\n'],
    ['a known host whose tenant does not listen', 'dead.example.com', 503, 'Service unavailable\n'],
    ['a suspended slot', 'quiet.example.com', 503, 'Suspended\n'],
  ]
  for (const [title, host, status, body] of refusals) {
    await t.test(`${title} is answered ${status} in plain text that names no product`, async (t) => {
      const answer = await get(port, host)
      t.equal(answer.status, status)
      t.equal(answer.body, body)
      t.match(answer.text, /^content-type: text\/plain\r$/im)
      t.notMatch(answer.text, /haproxy|puppy|^server:|<html/im)
    })
  }

  const malformed: [title: string, head: string][] = [
    ['two Host headers', 'GET / HTTP/1.1\r\nHost: blog.example.com\r\nHost: x.example.com'],
    ['a Host that differs from the absolute URI', 'GET http://x.example.com/ HTTP/1.1\r\nHost: blog.example.com'],
    ['an absolute URI that differs from the Host', 'GET http://blog.example.com/ HTTP/1.1\r\nHost: x.example.com'],
    ['nonsense', 'nonsense'],
  ]
  for (const [title, head] of malformed) {
    await t.test(`${title}: answered with 400`, async (t) => {
      // HAProxy's HTTP/1 parser has its own text for these answers, which no setting changes.
      const answer = parseAnswer(await talk(port, `${head}\r\nConnection: close\r\n\r\n`))
      t.equal(answer.status, 400)
      t.notMatch(answer.text, /haproxy|puppy|^server:/im)
    })
  }

  await t.test('no Host at all is 400', async (t) => {
    t.equal(parseAnswer(await talk(port, 'GET / HTTP/1.0\r\n\r\n')).body, 'Bad request\n')
  })

  await t.test('forwarding headers of a client are replaced by those of HAProxy', async (t) => {
    const forged = [
      'X-Forwarded-For: 6.6.6.6',
      'x-forwarded-for: 6.6.6.7',
      'X_Forwarded_For: 6.6.6.8',
      'X-Forwarded-Host: evil',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Port: 1',
      'X-Forwarded: evil',
      'Forwarded: for=6.6.6.6',
      'Proxy: http://evil',
      'X-Forward: mine',
    ]
    const headers = told(await get(port, 'BLOG.example.com', '/', forged))
    t.strictSame(headers, {
      host: 'blog.example.com',
      'x-forward': 'mine',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'blog.example.com',
      ...(headers.connection === undefined ? {} : { connection: headers.connection }),
    })
  })

  await t.test('each request of a connection goes to its own host', async (t) => {
    const ask = (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`
    const last = 'GET /end HTTP/1.1\r\nHost: blog.example.com\r\nConnection: close\r\n\r\n'
    const text = await talk(port, `${ask('blog.example.com')}${ask('x.example.com')}${ask('dead.example.com')}${last}`)
    const statuses = [...text.matchAll(/HTTP\/1\.1 ([0-9]{3})/g)].map((match) => match[1])
    t.strictSame(statuses, ['200', '404', '503', '200'])
  })

  await t.test('a websocket upgrade reaches the tenant', async (t) => {
    const lines = ['GET /socket HTTP/1.1', 'Host: blog.example.com', 'Upgrade: websocket', 'Connection: Upgrade']
    const key = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
    const text = await talk(port, `${[...lines, ...key].join('\r\n')}\r\n\r\nhello tenant`, 'hello tenant')
    t.match(text, /^HTTP\/1\.1 101 /)
    t.ok(text.endsWith('hello tenant'))
  })
})

void t.test(
  'a port outside the range of the tenants is never reached, even when the map contains it',
  { skip },
  async (t) => {
    const outside = await tenant(t)
    const { haproxy, context, port, spec } = await testProxy(t, { firstPort: 10_240, slots: 10 })
    await haproxy.ensureRunning(spec)
    for (const [domain, value] of [
      ['out.test', outside.port],
      ['low.test', 22],
      ['zero.test', 0],
      ['below.test', 10_239],
      ['past.test', 10_320],
    ]) {
      await context.runtime.send(['add', 'map', 'hosts.map', String(domain), String(value)])
      t.equal((await get(port, String(domain))).status, 404, String(domain))
    }
  },
)

void t.test('a tenant with too many connections is answered 503, and other tenants are served', { skip }, async (t) => {
  const [slow, other] = [await tenant(t), await tenant(t)]
  t.not(slotOf(slow.port), slotOf(other.port))
  const { haproxy, port, spec } = await testProxy(t, { connectionsPerTenant: 3, requestsPerAddress: 9 })
  await haproxy.ensureRunning(spec)
  await haproxy.routes.ensure({
    ...range,
    routes: [
      { domain: 'slow.test', port: slow.port },
      { domain: 'other.test', port: other.port },
    ],
    suspended: [],
  })
  for (let index = 0; index < 3; index++) {
    const waiting = once(slow.server, 'request')
    void talk(port, 'GET /slow HTTP/1.1\r\nHost: slow.test\r\n\r\n').catch(() => undefined)
    await waiting
  }
  t.equal((await get(port, 'slow.test')).body, 'Service unavailable\n')
  t.equal((await get(port, 'other.test')).status, 200)
  const usage = await haproxy.usage()
  t.equal(usage.find(({ slot }) => slot === slotOf(slow.port))?.connections, 3)
  slow.server.closeAllConnections()
})

/** Opens connections from an address of loopback, each with a request that never ends. */
async function hoard(
  t: Test,
  port: number,
  localAddress: string,
  count: number,
  text: string,
): Promise<readonly Socket[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ port, host: '127.0.0.1', localAddress })
      t.teardown(() => socket.destroy())
      socket.on('error', () => undefined)
      // HAProxy may close the connection before the client sees that it was open.
      await new Promise((settled) => socket.once('connect', settled).once('close', settled))
      socket.write(text)
      return socket
    }),
  )
}

const slowBody = 'POST /slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\na'

void t.test('slow bodies from one address leave the tenant to other addresses', { skip }, async (t) => {
  const backend = await tenant(t)
  const { haproxy, port, spec } = await testProxy(t, { connectionsPerTenant: 8 })
  await haproxy.ensureRunning(spec)
  await haproxy.routes.ensure({ ...range, routes: [{ domain: 'a.test', port: backend.port }], suspended: [] })
  const slow = await hoard(t, port, '127.0.0.2', 9, slowBody)
  await Promise.race(slow.map((socket) => once(socket, 'data')))
  const usage = await haproxy.usage()
  t.equal(usage.find(({ slot }) => slot === slotOf(backend.port))?.connections, 6, 'three quarters of the tenant')
  t.equal((await get(port, 'a.test')).status, 200)
  const refused = await hoard(t, port, '127.0.0.2', 1, 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
  t.match(String((await once(refused[0]!, 'data'))[0]), /^HTTP\/1\.1 429 [^]*Too many requests\n$/)
  backend.server.closeAllConnections()
})

void t.test('an address is an IPv4 address or a /64 of IPv6', { skip: skipTls }, async (t) => {
  const backend = await tenant(t)
  const change = (text: string) => text.replace(/^( {2}bind 127\S+)$/m, '$1 accept-proxy')
  const spec = { requestsPerAddress: 1 }
  const { port } = await startRendered(t, { spec, routes: [['a.test', backend.port]], change })
  const from = (address: string) => `PROXY TCP${address.includes(':') ? '6' : '4'} ${address} ${address} 1 2\r\n`
  for (const [busy, other, status] of [
    ['192.0.2.1', '192.0.2.1', 429],
    ['192.0.2.2', '192.0.2.3', 200],
    ['::ffff:192.0.2.4', '192.0.2.4', 429],
    ['::ffff:192.0.2.5', '::ffff:192.0.2.6', 200],
    ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2', 429],
    ['2001:db8:0:2::1', '2001:db8:0:3::1', 200],
  ] as const) {
    const arrived = once(backend.server, 'request')
    await hoard(t, port, '127.0.0.1', 1, `${from(busy)}${slowBody}`)
    await arrived
    const text = await talk(port, `${from(other)}GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`)
    t.equal(parseAnswer(text).status, status, `${busy} ${other}`)
  }
  backend.server.closeAllConnections()
})

void t.test('HAProxy closes the connections of an address that has too many', { skip }, async (t) => {
  const { haproxy, port, spec } = await testProxy(t, { connectionsPerAddress: 3 })
  await haproxy.ensureRunning(spec)
  const sockets = await hoard(t, port, '127.0.0.2', 4, '')
  const untilClosed = (socket: Socket) =>
    new Promise((closed) => (socket.closed ? closed(socket) : socket.resume().once('close', () => closed(socket))))
  const refused = await Promise.race(sockets.map(untilClosed))
  t.equal(sockets.filter(({ readyState }) => readyState === 'open').length, 3, 'the others stay')
  t.equal((await get(port, 'x.test')).status, 404, 'another address is served')
  const ended = sockets.find((socket) => socket !== refused)
  ended?.write('GET / HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n')
  await untilClosed(ended!)
  // HAProxy forgets the connection shortly after the client sees its end.
  const again = () => hoard(t, port, '127.0.0.2', 1, 'GET / HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n')
  const serves = async () => {
    const [socket] = await again()
    const served = new Promise((resolve) => socket?.once('data', () => resolve(true)))
    return Promise.race([served, untilClosed(socket!).then(() => false)])
  }
  t.ok(await waitFor(serves, { timeout: 5000 }), 'a new connection takes the place of one that ended')
})

void t.test('a listen address without a host listens on IPv4 and IPv6', { skip }, async (t) => {
  const port = await freePort()
  const { haproxy, spec } = await testProxy(t, { listen: [`:${port}`] })
  await haproxy.ensureRunning(spec)
  t.equal((await get(port, 'x.test')).status, 404)
  if (hasIpv6()) t.equal(parseAnswer(await talk(port, 'GET / HTTP/1.0\r\n\r\n', undefined, '::1')).status, 400)
})

void t.test('TLS', { skip: skipTls }, async (t) => {
  const [a, b] = [await tenant(t), await tenant(t)]
  const tlsPort = await freePort()
  const certificates = testFolder(t)
  makeCertificate(`${certificates}/a.pem`, ['a.test'])
  makeCertificate(`${certificates}/b.pem`, ['b.test'])
  const served = await testProxy(t, {
    tls: { listen: [`127.0.0.1:${tlsPort}`], certificates: [certificates] },
  })
  await served.haproxy.ensureRunning(served.spec)
  await served.haproxy.routes.ensure({
    ...range,
    routes: [
      { domain: 'a.test', port: a.port },
      { domain: 'b.test', port: b.port },
    ],
    suspended: [],
  })
  const ask = (servername: string, host: string, options: ConnectionOptions = {}) =>
    askTls(tlsPort, servername, host, options)

  await t.test('each name has its own certificate, and the tenant sees https in X-Forwarded-Proto', async (t) => {
    const { answer, subject } = await ask('a.test', 'a.test')
    t.equal(subject, 'a.test')
    t.equal(told(answer)['x-forwarded-proto'], 'https')
    t.equal((await ask('b.test', 'B.test:443')).subject, 'b.test')
  })

  await t.test('a Host that differs from the SNI is answered 421', async (t) => {
    const { answer } = await ask('a.test', 'b.test')
    t.equal(answer.status, 421)
    t.equal(answer.body, 'Misdirected request\n')
    t.equal((await ask('a.test', 'unknown.test')).answer.status, 421)
  })

  await t.test('a handshake without a name, or with a name that has no certificate, fails', async (t) => {
    await t.rejects(ask('x.test', 'a.test'), { code: /^ERR_SSL_/ })
    await t.rejects(ask('', 'a.test'), { code: /^ERR_SSL_/ })
  })

  await t.test('a handshake with TLS 1.1 fails', async (t) => {
    await t.rejects(
      ask('a.test', 'a.test', { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' }),
      { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' },
    )
  })

  await t.test('HTTP/2 is served, and a Host that differs from the SNI is answered 421', async (t) => {
    const session = connectHttp2(`https://127.0.0.1:${tlsPort}`, { servername: 'a.test', rejectUnauthorized: false })
    t.teardown(() => session.close())
    const status = async (authority: string) => {
      const stream = session.request({ ':path': '/', ':authority': authority })
      const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
      stream.resume()
      return headers[':status']
    }
    t.equal(await status('a.test'), 200)
    t.equal(await status('b.test'), 421)
  })
})

function askTls(port: number, servername: string, host: string, options: ConnectionOptions) {
  return new Promise<{ answer: ReturnType<typeof parseAnswer>; subject: string | undefined }>((resolve, reject) => {
    let text = ''
    const socket = connectTls({ port, host: '127.0.0.1', servername, rejectUnauthorized: false, ...options })
    let subject: string | undefined
    socket.once('secureConnect', () => {
      subject = String(socket.getPeerCertificate().subject?.CN)
      socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    })
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')))
    socket.once('error', reject)
    socket.once('close', () => resolve({ answer: parseAnswer(text), subject }))
  })
}

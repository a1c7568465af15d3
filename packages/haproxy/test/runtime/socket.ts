import { createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { openRuntime } from '../../src/runtime/socket.ts'
import { skip, testFolder, testProxy } from '../support/proxy.ts'

void t.test('send() returns the reply of HAProxy', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  t.match(await context.runtime.send(['show', 'map']), /hosts\.map/)
  t.equal(await context.runtime.send(['add', 'map', 'hosts.map', 'a.test', '20001']), '')
})

void t.test('send() throws when HAProxy refuses a command, with the command and the message', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  await t.rejects(context.runtime.send(['show', 'map', 'none.map']), {
    code: 'HAPROXY_COMMAND_REFUSED',
    message: /^Cannot show map: HAProxy reported: Unknown map identifier/,
  })
  for (const words of [['bogus'], ['show', 'bogus'], ['clear', 'bogus']]) {
    await t.rejects(context.runtime.send(words), { code: 'HAPROXY_COMMAND_REFUSED', message: /Unknown command/ })
    t.match((await context.runtime.sendMany([words]))[0], { severity: 3 })
  }
  t.match(await context.runtime.send(['help']), 'show map', 'help is a command')
  const payload = 'a.test\n'
  await t.rejects(context.runtime.send(['add', 'map', 'hosts.map'], { payload }), { code: 'HAPROXY_COMMAND_REFUSED' })
})

void t.test('send() throws when HAProxy drops a payload', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const payload = Array.from({ length: 2000 }, (_, index) => `domain-${index}.test 20001\n`).join('')
  await t.rejects(context.runtime.send(['add', 'map', 'hosts.map'], { payload }), { code: 'HAPROXY_REPLY_INCOMPLETE' })
})

void t.test('send() refuses a word with a newline and sends nothing', async (t) => {
  const runtime = openRuntime(`${testFolder(t)}/none`)
  await t.rejects(runtime.send(['add', 'map', 'a\nb']), { code: 'HAPROXY_NOT_ENCODABLE' })
})

void t.test('send() escapes a semicolon: no second command runs', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  await context.runtime.send(['add', 'map', 'hosts.map', 'a;clear map hosts.map', '1'])
  t.match(await context.runtime.send(['show', 'map', 'hosts.map']), / a;clear map hosts\.map 1$/)
})

void t.test('sendMany() returns one reply per command, also over several connections', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  await context.runtime.send(['add', 'map', 'hosts.map', 'a.test', '20001'])
  const commands = Array.from({ length: 1000 }, (_, index) => [
    'set',
    'map',
    'hosts.map',
    index % 2 === 0 ? 'a.test' : `none-${index}.test`,
    '20002',
  ])
  const replies = await context.runtime.sendMany(commands)
  t.equal(replies.length, 1000)
  t.ok(replies.every(({ severity }, index) => (index % 2 === 0 ? severity === undefined : severity === 3)))
  t.strictSame(await context.runtime.sendMany([]), [])
})

void t.test('send() returns its own reply to each of many concurrent callers', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const replies = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      await context.runtime.send(['add', 'map', 'hosts.map', `k${index}`, String(index)])
      return context.runtime.send(['get', 'map', 'hosts.map', `k${index}`])
    }),
  )
  t.ok(replies.every((reply, index) => reply.includes(`value="${index}"`)))
})

void t.test('send() throws HAPROXY_NOT_RUNNING when no process listens', async (t) => {
  const folder = testFolder(t)
  await t.rejects(openRuntime(`${folder}/none`).send(['show', 'info']), { code: 'HAPROXY_NOT_RUNNING' })
  const { server, path } = await listen(t, () => {})
  await new Promise((closed) => server.close(closed))
  await t.rejects(openRuntime(path).send(['show', 'info']), { code: 'HAPROXY_NOT_RUNNING' })
})

const answers: [title: string, answer: (socket: Socket) => void, code: string][] = [
  ['an empty reply', (socket) => socket.end(), 'HAPROXY_REPLY_INCOMPLETE'],
  ['an incomplete reply', (socket) => socket.end('\nName: HAPr'), 'HAPROXY_REPLY_INCOMPLETE'],
  ['a broken connection', (socket) => socket.destroy(), 'HAPROXY_REPLY_INCOMPLETE'],
  ['no reply', () => undefined, 'HAPROXY_TIMEOUT'],
]
for (const [title, answer, code] of answers) {
  void t.test(`send() throws ${code} for ${title}, and sends the next command`, async (t) => {
    let first = true
    const { path } = await listen(t, (socket) => {
      socket.once('data', () => (first ? answer(socket) : socket.end('\nok\n\n')))
      socket.once('data', () => (first = false))
    })
    const runtime = openRuntime(path)
    await t.rejects(runtime.send(['show', 'info'], { timeout: 300 }), { code, message: /^Cannot show info/ })
    t.equal(await runtime.send(['show', 'info']), 'ok')
  })
}

void t.test('send() stops when the caller aborts it, before and during a command', async (t) => {
  const { path } = await listen(t, () => undefined)
  const runtime = openRuntime(path)
  const controller = new AbortController()
  const waiting = runtime.send(['show', 'info'], { signal: controller.signal })
  setTimeout(() => controller.abort(), 20)
  await t.rejects(waiting, { code: 'HAPROXY_ABORTED' })
  await t.rejects(runtime.send(['show', 'info'], { signal: controller.signal }), { code: 'HAPROXY_ABORTED' })
})

/** Creates a server that behaves like a broken HAProxy. */
async function listen(t: Test, serve: (socket: Socket) => void): Promise<{ server: Server; path: string }> {
  const path = `${testFolder(t)}/sock`
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    serve(socket)
  }).listen(path)
  await new Promise((ready) => server.once('listening', ready))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { server, path }
}

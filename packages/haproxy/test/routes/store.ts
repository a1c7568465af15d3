import { statSync } from 'node:fs'
import t from 'tap'
import { HaproxyError } from '../../src/errors.ts'
import { openHaproxy } from '../../src/haproxy.ts'
import { applyRoutes, ensureMapFiles, readRoutes, type RouteStore } from '../../src/routes/store.ts'
import { routeRows, type RouteTable } from '../../src/routes/table.ts'
import { readMap } from '../../src/runtime/maps.ts'
import type { Runtime } from '../../src/runtime/socket.ts'
import type { ProxyContext } from '../../src/context.ts'
import { get, range, skip, slotOf, tenant, testProxy } from '../support/proxy.ts'

const storeOf = (context: ProxyContext, runtime: Runtime = context.runtime): RouteStore => ({
  host: context.host,
  files: context.files,
  runtime,
  range,
})
const many = (count: number, port = 20_001): RouteTable => ({
  routes: Array.from({ length: count }, (_, index) => ({ domain: `d${index}.test`, port })),
  suspended: [],
})

void t.test('applyRoutes() routes, moves, suspends and forgets a domain', { skip }, async (t) => {
  const [one, other] = [await tenant(t), await tenant(t)]
  const { haproxy, port } = await testProxy(t)
  await haproxy.ensureRunning()
  const status = async (table: RouteTable) => {
    const { results, running } = await haproxy.ensureRoutes(table)
    t.equal(running, true)
    t.ok(results.length > 0 && results.every(({ ok }) => ok))
    return (await get(port, 'a.test')).status
  }
  const at = (backend: number, suspended: number[] = []) => ({
    routes: [{ domain: 'a.test', port: backend }],
    suspended,
  })
  t.equal(await status(at(one.port)), 200)
  t.equal(await status(at(range.firstPort)), 503)
  t.equal(await status(at(other.port)), 200)
  t.equal(await status(at(other.port, [slotOf(other.port)])), 503)
  t.equal(await status(at(other.port)), 200)
  t.equal(await status({ routes: [], suspended: [] }), 404)
})

void t.test(
  'applyRoutes() gives every row its own result; a bad one spoils nobody and changes nothing',
  { skip },
  async (t) => {
    const { haproxy, context } = await testProxy(t)
    await haproxy.ensureRunning()
    const routes = [
      { domain: 'a.test', port: 20_001 },
      { domain: 'b.test', port: 20_002 },
    ]
    await haproxy.applyRoutes({ routes, suspended: [] })
    const { results, changes } = await haproxy.applyRoutes({
      routes: [
        { domain: 'a.test', port: 80 },
        { domain: 'b.test', port: 20_003 },
        { domain: 'bad name', port: 20_004 },
      ],
      suspended: [1, -1],
    })
    t.match(Object.fromEntries(results.map(({ target, ok, error }) => [target, error?.code ?? ok])), {
      'a.test': 'HAPROXY_ROUTE_INVALID',
      'b.test': true,
      'bad name': 'HAPROXY_ROUTE_INVALID',
      'slot/1': true,
      'slot/-1': 'HAPROXY_ROUTE_INVALID',
    })
    t.strictSame(
      changes.map(({ target }) => target),
      ['slot/1', 'b.test'],
    )
    const after = await readRoutes(storeOf(context))
    t.strictSame(
      after.disk,
      routeRows({
        routes: [
          { domain: 'a.test', port: 20_001 },
          { domain: 'b.test', port: 20_003 },
        ],
        suspended: [1],
      }),
    )
  },
)

void t.test('applyRoutes() of what is there writes no file and sends no writing command', { skip }, async (t) => {
  const { haproxy, context } = await testProxy(t)
  await haproxy.ensureRunning()
  await haproxy.applyRoutes(many(300))
  const before = statSync(context.files.hosts, { bigint: true })
  const sent: string[] = []
  const listening: Runtime = {
    send: (words, options) => {
      sent.push(words.join(' '))
      return context.runtime.send(words, options)
    },
    sendMany: () => Promise.reject(new Error('sent')),
  }
  t.strictSame((await applyRoutes(storeOf(context, listening), many(300))).changes, [])
  t.strictSame(sent, ['show map hosts.map', 'show map suspended.map'])
  const after = statSync(context.files.hosts, { bigint: true })
  t.strictSame([after.ino, after.mtimeNs], [before.ino, before.mtimeNs])
})

void t.test('applyRoutes() without a worker is for the disk, and the next start serves it', { skip }, async (t) => {
  const backend = await tenant(t)
  const { haproxy, port } = await testProxy(t)
  await haproxy.ensureConfig()
  const table = { routes: [{ domain: 'a.test', port: backend.port }], suspended: [] }
  const results = [{ target: 'a.test', ok: true }]
  t.strictSame(await haproxy.ensureRoutes(table), {
    changes: [{ facility: 'haproxy', target: 'a.test', action: 'add', after: String(backend.port) }],
    results,
    running: false,
  })
  await haproxy.ensureRunning()
  t.equal((await get(port, 'a.test')).status, 200)
  t.strictSame(await haproxy.ensureRoutes(table), { changes: [], results, running: true })
})

/** Each is what a `kill -9` leaves behind at one point of `applyRoutes`. */
const kills: [title: string, leave: (context: ProxyContext) => Promise<unknown>][] = [
  ['disk written, worker not told', async () => undefined],
  ['a version prepared', ({ runtime }) => runtime.send(['prepare', 'map', 'hosts.map'])],
  [
    'a version prepared and filled by half',
    async ({ runtime }) => {
      await runtime.send(['prepare', 'map', 'hosts.map'])
      await runtime.send(['add', 'map', '@1', 'hosts.map'], { payload: 'd0.test 20001\nd1.test 20001\n' })
    },
  ],
  [
    'half of the rows added',
    ({ runtime }) => runtime.send(['add', 'map', 'hosts.map'], { payload: 'd0.test 20001\nd1.test 20001\n' }),
  ],
  ['one map of two written', ({ host, files }) => host.replace(files.hosts, '')],
  ['a temporary file', ({ host, settings }) => host.replace(`${settings.folder}/.puppy-0123456789ab.tmp`, 'x')],
]
for (const [title, leave] of kills) {
  for (const count of [4, 1000]) {
    void t.test(`applyRoutes() converges after a kill: ${title}, ${count} rows`, { skip }, async (t) => {
      const { haproxy, context, settings } = await testProxy(t)
      await haproxy.ensureRunning()
      await haproxy.applyRoutes({ ...many(2, 20_999), suspended: [9] })
      await applyRoutes(storeOf(context, gone), { ...many(count), suspended: [8] })
      await leave(context)
      const next = openHaproxy(context.host, settings)
      const { results } = await next.ensureRoutes({ ...many(count), suspended: [8] })
      t.ok(results.length >= count && results.every(({ ok }) => ok))
      t.strictSame((await next.ensureRoutes({ ...many(count), suspended: [8] })).changes, [])
      t.equal((await readMap(context.runtime, 'hosts.map')).length, count)
    })
  }
}

void t.test('applyRoutes() says it when the worker has something else in the end', { skip }, async (t) => {
  const { haproxy, context } = await testProxy(t)
  await haproxy.ensureRunning()
  const deaf: Runtime = {
    send: (words, options) => (words[0] === 'add' ? Promise.resolve('') : context.runtime.send(words, options)),
    sendMany: () => Promise.resolve([]),
  }
  const { results } = await applyRoutes(storeOf(context, deaf), many(2))
  t.strictSame(
    results.map(({ target, ok, error }) => [target, ok, error?.code]),
    [
      ['d0.test', false, 'HAPROXY_READBACK_DIFFERS'],
      ['d1.test', false, 'HAPROXY_READBACK_DIFFERS'],
    ],
  )
})

void t.test('applyRoutes() stops when the caller gives up', { skip }, async (t) => {
  const { haproxy, context } = await testProxy(t)
  await haproxy.ensureRunning()
  await t.rejects(applyRoutes(storeOf(context), many(3), { signal: AbortSignal.abort() }), { code: 'HAPROXY_ABORTED' })
  t.equal(await context.host.read(context.files.hosts), '')
})

void t.test('ensureMapFiles() makes both files and leaves sound ones alone', async (t) => {
  const { context, settings } = await testProxy(t)
  await context.host.makeFolder(settings.folder)
  await ensureMapFiles(context)
  t.equal(await context.host.read(context.files.suspended), '')
  await context.host.replace(context.files.hosts, '# by hand\na.test 20001\n')
  await ensureMapFiles(context)
  t.equal(await context.host.read(context.files.hosts), '# by hand\na.test 20001\n')
})

/** A worker that ended before it was told. */
const gone: Runtime = {
  send: () => Promise.reject(new HaproxyError('HAPROXY_NOT_RUNNING', { operation: 'send' })),
  sendMany: () => Promise.reject(new HaproxyError('HAPROXY_NOT_RUNNING', { operation: 'send' })),
}

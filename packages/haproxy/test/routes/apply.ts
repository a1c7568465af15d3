import { matchWhole } from '@puppy/host/testing'
import { statSync } from 'node:fs'
import t from 'tap'
import { HaproxyError } from '../../src/errors.ts'
import { openHaproxy } from '../../src/haproxy.ts'
import { applyRoutes, ensureMapFiles } from '../../src/routes/apply.ts'
import { planRoutes } from '../../src/routes/plan.ts'
import { readRoutes } from '../../src/routes/read.ts'
import { routeRows, type RouteSpec } from '../../src/routes/spec.ts'
import { readMap } from '../../src/runtime/maps.ts'
import type { Runtime } from '../../src/runtime/socket.ts'
import type { ProxyContext } from '../../src/context.ts'
import { get, range, skip, slotOf, tenant, testProxy } from '../support/proxy.ts'

/** Returns the context of a proxy with another client of its socket. */
const withRuntime = (context: ProxyContext, runtime: Runtime): ProxyContext => ({ ...context, runtime })
const many = (count: number, port = 20_001): RouteSpec => ({
  ...range,
  routes: Array.from({ length: count }, (_, index) => ({ domain: `d${index}.test`, port })),
  suspended: [],
})

void t.test('applyRoutes() routes, moves, suspends and removes a domain', { skip }, async (t) => {
  const [one, other] = [await tenant(t), await tenant(t)]
  const { haproxy, port, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const status = async (table: RouteSpec) => {
    const { results, running } = await haproxy.routes.ensure(table)
    t.ok(running && results.every(({ error }) => error === undefined))
    return (await get(port, 'a.test')).status
  }
  const at = (backend: number, suspended: number[] = []) => ({
    ...range,
    routes: [{ domain: 'a.test', port: backend }],
    suspended,
  })
  t.equal(await status(at(one.port)), 200)
  t.equal(await status(at(range.firstPort)), 503)
  t.equal(await status(at(other.port)), 200)
  t.equal(await status(at(other.port, [slotOf(other.port)])), 503)
  t.equal(await status(at(other.port)), 200)
  t.equal(await status({ ...range, routes: [], suspended: [] }), 404)
})

void t.test(
  'applyRoutes() returns one result per row, and an invalid row changes no other row',
  { skip },
  async (t) => {
    const { haproxy, context, spec } = await testProxy(t)
    await haproxy.ensureRunning(spec)
    const routes = [
      { domain: 'a.test', port: 20_001 },
      { domain: 'b.test', port: 20_002 },
    ]
    await haproxy.routes.ensure({ ...range, routes, suspended: [] })
    const { results, changes } = await haproxy.routes.ensure({
      ...range,
      routes: [
        { domain: 'a.test', port: 80 },
        { domain: 'b.test', port: 20_003 },
        { domain: 'bad name', port: 20_004 },
      ],
      suspended: [1, -1],
    })
    t.match(Object.fromEntries(results.map(({ target, error }) => [target, error?.code ?? true])), {
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
    const after = await readRoutes(context)
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

void t.test(
  'routes.ensure() is idempotent: the second call writes no file and sends no command that writes',
  { skip },
  async (t) => {
    const { haproxy, context, spec } = await testProxy(t)
    await haproxy.ensureRunning(spec)
    await haproxy.routes.ensure(many(300))
    const before = statSync(context.files.hosts, { bigint: true })
    const sent: string[] = []
    const listening: Runtime = {
      send: (words, options) => {
        sent.push(words.join(' '))
        return context.runtime.send(words, options)
      },
      sendMany: () => Promise.reject(new Error('sent')),
    }
    const heard = openHaproxy(context.host, context.settings, { runtime: listening })
    t.strictSame((await heard.routes.ensure(many(300))).changes, [])
    t.strictSame(sent, ['show map hosts.map', 'show map suspended.map'])
    const after = statSync(context.files.hosts, { bigint: true })
    t.strictSame([after.ino, after.mtimeNs], [before.ino, before.mtimeNs])
  },
)

void t.test('applyRoutes() without a worker writes the files, and the next start serves them', { skip }, async (t) => {
  const backend = await tenant(t)
  const { haproxy, port, spec } = await testProxy(t)
  await haproxy.config.ensure(spec)
  await haproxy.stop()
  const table = { ...range, routes: [{ domain: 'a.test', port: backend.port }], suspended: [] }
  matchWhole(t, await haproxy.routes.ensure(table), { running: false, results: [{ target: 'a.test', changed: true }] })
  await haproxy.ensureRunning(spec)
  t.equal((await get(port, 'a.test')).status, 200)
  matchWhole(t, await haproxy.routes.ensure(table), { running: true, changes: [] })
})

/** Each entry is the state that `kill -9` leaves behind at one point of `applyRoutes`. */
const kills: [title: string, leave: (context: ProxyContext) => Promise<unknown>][] = [
  ['files written, worker unchanged', async () => undefined],
  ['a version prepared', ({ runtime }) => runtime.send(['prepare', 'map', 'hosts.map'])],
  [
    'a version prepared and half of its rows added',
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
      const { haproxy, context, settings, spec } = await testProxy(t)
      await haproxy.ensureRunning(spec)
      await haproxy.routes.ensure({ ...many(2, 20_999), suspended: [9] })
      const killed = openHaproxy(context.host, settings, { runtime: goneAfterReading(context.runtime) })
      await killed.routes.ensure({ ...many(count), suspended: [8] })
      await leave(context)
      const next = openHaproxy(context.host, settings)
      const { results } = await next.routes.ensure({ ...many(count), suspended: [8] })
      t.ok(results.length >= count && results.every(({ error }) => error === undefined))
      t.strictSame((await next.routes.ensure({ ...many(count), suspended: [8] })).changes, [])
      t.equal((await readMap(context.runtime, 'hosts.map')).length, count)
    })
  }
}

void t.test('applyRoutes() reports rows that the worker did not take', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const deaf: Runtime = {
    send: (words, options) => (words[0] === 'add' ? Promise.resolve('') : context.runtime.send(words, options)),
    sendMany: () => Promise.resolve([]),
  }
  const changeSet = planRoutes(many(2), await readRoutes(context))
  const { results } = await applyRoutes(withRuntime(context, deaf), changeSet)
  t.strictSame(
    results.map(({ target, changed, error }) => [target, changed, error?.code]),
    [
      ['d0.test', false, 'HAPROXY_READBACK_DIFFERS'],
      ['d1.test', false, 'HAPROXY_READBACK_DIFFERS'],
    ],
  )
})

void t.test('applyRoutes() stops when the caller aborts it', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const changeSet = planRoutes(many(3), await readRoutes(context))
  await t.rejects(applyRoutes(context, changeSet, { signal: AbortSignal.abort() }), { code: 'HAPROXY_ABORTED' })
  t.equal(await context.host.read(context.files.hosts), '')
})

void t.test('ensureMapFiles() creates both files and does not change valid ones', async (t) => {
  const { context, settings } = await testProxy(t)
  await context.host.makeFolder(settings.folder)
  await ensureMapFiles(context)
  t.equal(await context.host.read(context.files.suspended), '')
  await context.host.replace(context.files.hosts, '# by hand\na.test 20001\n')
  await ensureMapFiles(context)
  t.equal(await context.host.read(context.files.hosts), '# by hand\na.test 20001\n')
})

/** Returns a client of a worker that answers `show` and ends before the first command that writes. */
function goneAfterReading({ send }: Runtime): Runtime {
  const gone = () => Promise.reject(new HaproxyError('HAPROXY_NOT_RUNNING', { operation: 'send' }))
  return { send: (words, options) => (words[0] === 'show' ? send(words, options) : gone()), sendMany: gone }
}

void t.test('applyRoutes() refuses a change set when a map changed after it was planned', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const onDisk = planRoutes(many(2), await readRoutes(context))
  await context.host.replace(context.files.hosts, 'by-hand.test 20001\n')
  await t.rejects(applyRoutes(context, onDisk), { code: 'HAPROXY_MOVED' })
  t.equal(await context.host.read(context.files.hosts), 'by-hand.test 20001\n')
  const inWorker = planRoutes(many(2), await readRoutes(context))
  await context.runtime.send(['add', 'map', 'hosts.map', 'other.test', '20001'])
  await t.rejects(applyRoutes(context, inWorker), { code: 'HAPROXY_MOVED' })
  t.strictSame(
    (await readMap(context.runtime, 'hosts.map')).map(({ key }) => key),
    ['other.test'],
  )
})

void t.test(
  'routes.ensure() plans again when a map changes after it was read, and throws after three attempts',
  { skip },
  async (t) => {
    const { haproxy, context, settings, spec } = await testProxy(t)
    await haproxy.ensureRunning(spec)
    let intrusions = 0
    const meddled = (times: number): Runtime => ({
      ...context.runtime,
      send: async (words, options) => {
        const reply = await context.runtime.send(words, options)
        const first = words[1] === 'map' && words[2] === 'suspended.map' && words[0] === 'show'
        if (first && intrusions < times) {
          await context.runtime.send(['add', 'map', 'hosts.map', `x${intrusions++}.test`, '20001'])
        }
        return reply
      },
    })
    const once = await openHaproxy(context.host, settings, { runtime: meddled(1) }).routes.ensure(many(2))
    t.strictSame(
      once.changes.map(({ action, target }) => `${action} ${target}`),
      ['add d0.test', 'add d1.test', 'remove x0.test'],
    )
    t.equal(intrusions, 1)
    intrusions = 0
    const always = openHaproxy(context.host, settings, { runtime: meddled(100) }).routes.ensure(many(3))
    await t.rejects(always, { code: 'HAPROXY_MOVED' })
  },
)

void t.test('applyRoutes() applies only the changes of its change set', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const changeSet = planRoutes(many(3), await readRoutes(context))
  const some = changeSet.changes.filter(({ target }) => target === 'd1.test')
  const { changes, results } = await applyRoutes(context, { ...changeSet, changes: some })
  t.strictSame(changes, some)
  t.strictSame(
    results.map(({ target, changed, error }) => [target, changed, error?.code]),
    [
      ['d0.test', false, 'HAPROXY_READBACK_DIFFERS'],
      ['d1.test', true, undefined],
      ['d2.test', false, 'HAPROXY_READBACK_DIFFERS'],
    ],
  )
  const rows = [{ key: 'd1.test', value: '20001' }]
  matchWhole(t, await readRoutes(context), {
    disk: { hosts: rows, suspended: [] },
    running: { hosts: rows, suspended: [] },
  })
})

void t.test('a full reconciliation after scoped ones changes nothing', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  await haproxy.routes.ensure({ ...many(5), suspended: [1, 2] })
  const moved = { ...many(4), suspended: [2, 3] }
  const full: RouteSpec = { ...moved, routes: [...moved.routes, { domain: 'new.test', port: 20_009 }] }
  const ensureOnly = async (only: readonly string[]) => {
    const routes = full.routes.filter(({ domain }) => only.includes(domain))
    const suspended = full.suspended.filter((slot) => only.includes(`slot/${slot}`))
    return (await haproxy.routes.ensure({ ...full, routes, suspended, only })).changes
  }
  t.strictSame(
    (await ensureOnly(['new.test', 'slot/1', 'slot/2'])).map(({ action, target }) => `${action} ${target}`),
    ['remove slot/1', 'add new.test'],
  )
  t.strictSame(
    (await ensureOnly(['d4.test', 'slot/3'])).map(({ action, target }) => `${action} ${target}`),
    ['add slot/3', 'remove d4.test'],
  )
  const file = statSync(context.files.hosts, { bigint: true })
  const after = await haproxy.routes.ensure(full)
  t.strictSame([after.changed, after.changes], [false, []])
  t.equal(statSync(context.files.hosts, { bigint: true }).mtimeNs, file.mtimeNs)
})

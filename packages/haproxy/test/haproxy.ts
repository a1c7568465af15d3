import t from 'tap'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { judgeVersion, openHaproxy } from '../src/haproxy.ts'
import { get, range, skip, slotOf, tenant, testProxy } from './support/proxy.ts'

const settings = { folder: '/f', runFolder: '/r', listen: [':80'], connectionsPerTenant: 5, ...range }

void t.test('openHaproxy() is frozen and touches nothing', async (t) => {
  const host = createFakeHost()
  t.ok(Object.isFrozen(openHaproxy(host, settings)))
  t.strictSame(await host.list('/'), [])
  t.strictSame(host.commands, [])
})

void t.test('openHaproxy() refuses a socket path that is too long before anything is written', async (t) => {
  const host = createFakeHost()
  const runFolder = `/run/${'x'.repeat(90)}`
  t.throws(() => openHaproxy(host, { ...settings, runFolder }), {
    code: 'HAPROXY_SETTINGS_INVALID',
    message: /shorter/,
  })
  t.strictSame(await host.list('/'), [])
})

void t.test('probe() finds the installed program fit', { skip }, async (t) => {
  t.match(await openHaproxy(createHost(), settings).probe(), { works: true, version: /^[0-9]+\.[0-9]+/ })
})

const versions: [output: string, expected: object][] = [
  [
    'HAProxy version 3.0.11-1 2025/06/02\nFeature list : -51DEGREES +OPENSSL +LUA\n',
    { works: true, version: '3.0.11-1' },
  ],
  ['HA-Proxy version 2.2.9-2 2021\nFeature list : +OPENSSL\n', { works: false, reason: 'it is too old' }],
  ['HAProxy version 3.0.0 2024\nFeature list : -OPENSSL\n', { works: false, reason: /OpenSSL/, remedy: /2\.6/ }],
  ['something else', { works: false, reason: /no version/ }],
]
for (const [output, expected] of versions) {
  void t.test(`judgeVersion() of ${output.split('\n', 1)[0]}`, async (t) => {
    t.match(judgeVersion(output), expected)
  })
}

void t.test('a whole life: start, route, count, scrub, stop, remove', { skip }, async (t) => {
  const { port: backend } = await tenant(t)
  const { haproxy, port } = await testProxy(t)
  t.equal(await haproxy.alive(), false)
  await haproxy.ensureConfig()
  await haproxy.ensureRunning()
  t.equal(await haproxy.alive(), true)
  await haproxy.ensureRoutes({ routes: [{ domain: 'a.test', port: backend }], suspended: [] })
  t.equal((await get(port, 'a.test')).status, 200)
  const rows = { hosts: [{ key: 'a.test', value: String(backend) }], suspended: [] }
  t.strictSame(await haproxy.readRoutes(), { disk: rows, running: rows })
  t.strictSame(
    (await haproxy.usage()).map(({ slot, requests, errors }) => ({ slot, requests, errors })),
    [{ slot: slotOf(backend), requests: 1, errors: 0 }],
  )
  t.strictSame(await haproxy.clearUsage([slotOf(backend)]), [{ slot: slotOf(backend), ok: true }])
  t.strictSame(
    (await haproxy.usage()).filter(({ requests }) => requests > 0),
    [],
  )
  await haproxy.stop()
  t.equal(await haproxy.alive(), false)
  t.strictSame(await haproxy.readRoutes(), { disk: rows })
  await haproxy.remove()
})

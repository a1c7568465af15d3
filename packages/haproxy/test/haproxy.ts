import { matchWhole } from '@puppy/host/testing'
import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { openHaproxy } from '../src/haproxy.ts'
import { get, range, skip, slotOf, tenant, testProxy } from './support/proxy.ts'

const location = { folder: '/f', runFolder: '/r' }

void t.test('openHaproxy() returns a frozen object and touches nothing', async (t) => {
  const host = createFakeHost()
  t.ok(Object.isFrozen(openHaproxy(host, location)))
  t.strictSame(await host.list('/'), [])
  t.strictSame(host.commands, [])
})

void t.test('openHaproxy() refuses a socket path that is too long and writes nothing', async (t) => {
  const host = createFakeHost()
  const runFolder = `/run/${'x'.repeat(90)}`
  t.throws(() => openHaproxy(host, { ...location, runFolder }), {
    code: 'HAPROXY_SETTINGS_INVALID',
    message: /shorter/,
  })
  t.strictSame(await host.list('/'), [])
})

void t.test('openHaproxy() starts, routes, counts, clears counters, stops and removes', { skip }, async (t) => {
  const { port: backend } = await tenant(t)
  const { haproxy, port, spec } = await testProxy(t)
  t.equal(await haproxy.alive(), false)
  await haproxy.config.ensure(spec)
  t.equal(await haproxy.alive(), true)
  t.match(await haproxy.ensureRunning(spec), { started: false })
  await haproxy.routes.ensure({ ...range, routes: [{ domain: 'a.test', port: backend }], suspended: [] })
  t.equal((await get(port, 'a.test')).status, 200)
  matchWhole(t, await haproxy.routes.read({ ...range, routes: [], suspended: [] }), {
    disk: { hosts: [{ key: 'a.test' }] },
    running: { hosts: [{ key: 'a.test' }] },
  })
  matchWhole(t, await haproxy.usage(), [{ slot: slotOf(backend), requests: 1 }])
  t.strictSame(await haproxy.clearUsage([slotOf(backend)]), [{ slot: slotOf(backend) }])
  t.strictSame(
    (await haproxy.usage()).filter(({ requests }) => requests > 0),
    [],
  )
  await haproxy.stop()
  t.equal(await haproxy.alive(), false)
  matchWhole(t, await haproxy.routes.read({ ...range, routes: [], suspended: [] }), {
    disk: { hosts: [{ key: 'a.test' }] },
  })
  await haproxy.remove()
})

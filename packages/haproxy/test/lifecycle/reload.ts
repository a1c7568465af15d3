import t from 'tap'
import { configDescription, renderConfig } from '../../src/config/render.ts'
import { reload } from '../../src/lifecycle/reload.ts'
import { hasIpv6 } from '../../src/config/read.ts'
import { readInfo } from '../../src/runtime/info.ts'
import { get, range, skip, slotOf, tenant, testProxy } from '../support/proxy.ts'

void t.test('reload() throws when HAProxy does not run', async (t) => {
  const { context } = await testProxy(t)
  await t.rejects(reload(context, 'puppy-0'), { code: 'HAPROXY_NOT_RUNNING' })
})

void t.test('reload() keeps the counters and the routes, and loses no request', { skip }, async (t) => {
  const backend = await tenant(t)
  const { haproxy, port, spec } = await testProxy(t)
  const { pid } = await haproxy.ensureRunning(spec)
  await haproxy.routes.ensure({ ...range, routes: [{ domain: 'a.test', port: backend.port }], suspended: [] })
  for (const path of ['/', '/404']) await get(port, 'a.test', path)
  const [before] = await haproxy.usage()
  const changed = { ...spec, connectionsPerTenant: 9 }
  let reloading = true
  const statuses = new Set<number>()
  const alive = new Set<boolean>()
  const traffic = (async () => {
    while (reloading) {
      statuses.add((await get(port, 'a.test')).status)
      alive.add(await haproxy.alive())
    }
  })()
  t.match(await haproxy.config.ensure(changed), { reloaded: true })
  reloading = false
  await traffic
  t.strictSame([...statuses], [200])
  t.strictSame([...alive], [true])
  const [after] = await haproxy.usage()
  t.equal(after?.slot, slotOf(backend.port))
  t.equal(after?.status['4xx'], before?.status['4xx'])
  t.ok((after?.requests ?? 0) >= (before?.requests ?? 0) && (after?.status['2xx'] ?? 0) >= 1)
  t.strictSame(await haproxy.ensureRunning(spec), { started: false, pid })
})

void t.test('reload() stops waiting when the caller aborts it', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  await t.rejects(reload(context, 'puppy-0', { signal: AbortSignal.abort() }), { code: 'HAPROXY_ABORTED' })
})

void t.test('reload() reaches a master that has only just started', { skip }, async (t) => {
  for (let turn = 0; turn < 10; turn++) {
    const { haproxy, context, settings, spec } = await testProxy(t)
    await haproxy.ensureRunning(spec)
    const before = await readInfo(context.runtime)
    await reload(context, configDescription(renderConfig(settings, { ipv6: hasIpv6() })) ?? '')
    t.not((await readInfo(context.runtime))?.pid, before?.pid)
    await haproxy.stop()
  }
})

import fc from 'fast-check'
import t from 'tap'
import { HaproxyError } from '../../src/errors.ts'
import { clearUsage, parseUsage, readUsage } from '../../src/runtime/usage.ts'
import { get, range, skip, slotOf, tenant, testProxy } from '../support/proxy.ts'

void t.test('parseUsage() reads every counter', async (t) => {
  // haproxy 2.6.12-1+deb12u4: show table tenants
  const text = `# table: tenants, type: integer, size:4096, used:2
0x55ffe34a2ec0: key=0 use=0 exp=0 conn_cur=1 http_req_cnt=3 bytes_in_cnt=203 bytes_out_cnt=654 http_fail_cnt=4 gpc0=2 gpc1=5 gpc2=1 gpc3=9
0x7f8cb0042de0: key=1 use=0 exp=0 shard=0 conn_cur=0 http_req_cnt=1 bytes_in_cnt=43 bytes_out_cnt=109 http_fail_cnt=0 gpc0=0 gpc1=0 gpc2=0 gpc3=0`
  const zero = { '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 }
  t.strictSame(parseUsage(text), [
    {
      slot: 0,
      requests: 3,
      bytesIn: 203,
      bytesOut: 654,
      connections: 1,
      errors: 4,
      status: { '2xx': 2, '3xx': 5, '4xx': 1, '5xx': 9 },
    },
    { slot: 1, requests: 1, bytesIn: 43, bytesOut: 109, connections: 0, errors: 0, status: zero },
  ])
})

void t.test('parseUsage() returns rows for any text, or throws a HaproxyError', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      try {
        t.ok(Array.isArray(parseUsage(text)))
      } catch (error) {
        t.ok(error instanceof HaproxyError)
      }
    }),
  )
})

void t.test('readUsage() returns requests, bytes and answers per slot', { skip }, async (t) => {
  const { port: backend } = await tenant(t)
  const { haproxy, context, port, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const dead = range.firstPort + 1
  const routes = [
    { domain: 'a.test', port: backend },
    { domain: 'dead.test', port: dead },
  ]
  await haproxy.routes.ensure({ ...range, routes, suspended: [] })
  for (const path of ['/', '/', '/301', '/404', '/404', '/500']) await get(port, 'a.test', path)
  await get(port, 'dead.test')
  await get(port, 'unknown.test')
  const usage = await readUsage(context.runtime)
  t.equal(usage.length, 2, 'an unknown host is not counted')
  t.match(usage[0], { slot: 0, requests: 1, status: { '5xx': 0 } })
  t.match(usage[1], {
    slot: slotOf(backend),
    requests: 6,
    connections: 0,
    status: { '2xx': 2, '3xx': 1, '4xx': 2, '5xx': 1 },
  })
  t.ok(usage.every(({ bytesIn, bytesOut }) => bytesIn > 30 && bytesOut > 30))
})

void t.test('clearUsage() clears only the slots of its list', { skip }, async (t) => {
  const [one, other] = [await tenant(t), await tenant(t)]
  t.not(slotOf(one.port), slotOf(other.port))
  const { haproxy, context, port, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const routes = [
    { domain: 'one.test', port: one.port },
    { domain: 'other.test', port: other.port },
  ]
  await haproxy.routes.ensure({ ...range, routes, suspended: [] })
  for (const { domain } of routes) await get(port, domain)
  const results = await clearUsage(context.runtime, [slotOf(one.port), 5000, -1])
  t.strictSame(
    results.map(({ slot, error }) => [slot, error?.code]),
    [
      [slotOf(one.port), undefined],
      [5000, undefined],
      [-1, 'HAPROXY_ROUTE_INVALID'],
    ],
  )
  const left = await readUsage(context.runtime)
  t.strictSame(
    left.filter(({ requests }) => requests > 0).map(({ slot }) => slot),
    [slotOf(other.port)],
  )
})

void t.test('clearUsage() reports every slot as cleared when HAProxy does not run', async (t) => {
  const { context, haproxy } = await testProxy(t)
  t.strictSame(await clearUsage(context.runtime, [1]), [{ slot: 1 }])
  t.strictSame(await haproxy.usage(), [])
})

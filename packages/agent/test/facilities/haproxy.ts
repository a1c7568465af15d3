import { slotAt } from '@puppy/accounts'
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { View } from '../../src/facilities/facility.ts'
import { haproxyFacility } from '../../src/facilities/haproxy.ts'
import { killHard } from '@puppy/host/testing'
import { openTestProxy, serveTenant, skip } from '../support/proxy.ts'
import { smallLayout } from '../support/rows.ts'

t.setTimeout(60_000)
const { signal } = new AbortController()
const nothing: View = { complete: false, builtSlots: [], tenants: [], routes: [], suspended: [], goneRoutes: [] }
const layout = { ...smallLayout, firstPort: 20_000, portLimit: 65_520 }

void t.test('haproxyFacility() starts the proxy when its preparation is applied', { skip }, async (t) => {
  const { haproxy, spec, get } = await openTestProxy(t)
  const facility = haproxyFacility(haproxy, spec)
  t.match(await facility.probe(signal), { works: true, version: String })
  const step = await facility.prepare!(signal)
  t.equal(step.changes.length > 0, true, 'the plan has changes')
  t.equal(await haproxy.alive(), false, 'a plan starts nothing')
  t.equal(await facility.revive(signal), false, 'a proxy that was never started is not revived')
  t.same(await step.apply(), [])
  t.equal(await haproxy.alive(), true)
  t.equal((await get('nobody.example.com')).status, 404)
  const again = await facility.prepare!(signal)
  t.same([again.changes, await again.apply()], [[], []], 'a second preparation changes nothing')
})

void t.test('haproxyFacility() serves routes, and reports removed ones', { skip }, async (t) => {
  const { haproxy, spec, get } = await openTestProxy(t)
  const facility = haproxyFacility(haproxy, spec)
  await (await facility.prepare!(signal)).apply()
  const { port, slot } = await serveTenant(t)
  const view = { ...nothing, routes: [{ id: 7, domain: 'blog.example.com', port }] }
  const step = await facility.serve!(view, signal)
  t.strictSame(step.changes, [{ facility: 'haproxy', target: 'blog.example.com', action: 'add', after: String(port) }])
  t.equal((await get('blog.example.com')).status, 404, 'a plan routes nothing')
  const served = await step.apply()
  t.same([...served.domains], [[7, { type: 'haproxy', status: 'true', reason: 'routed' }]])
  t.same([served.accounts.size, served.gone], [0, []])
  t.match(await get('blog.example.com'), { status: 200, body: 'hello' })
  t.same((await facility.serve!(view, signal)).changes, [], 'a second plan has no change')

  await (await facility.serve!({ ...view, suspended: [slot] }, signal)).apply()
  t.equal((await get('blog.example.com')).status >= 400, true, 'a suspended account is not served')
  await (await facility.serve!(view, signal)).apply()
  t.equal((await get('blog.example.com')).status, 200)

  const gone = { ...nothing, goneRoutes: [{ id: 7, domain: 'blog.example.com' }] }
  t.same((await (await facility.serve!(gone, signal)).apply()).gone, [7])
  t.equal((await get('blog.example.com')).status, 404)
})

void t.test('haproxyFacility() serves the other routes when one cannot be routed', { skip }, async (t) => {
  const { haproxy, spec, get } = await openTestProxy(t)
  const facility = haproxyFacility(haproxy, spec)
  await (await facility.prepare!(signal)).apply()
  const { port } = await serveTenant(t)
  const routes = [
    { id: 1, domain: 'blog.example.com', port },
    { id: 2, domain: 'bad name\nother.example.com 22', port },
    { id: 3, domain: 'system.example.com', port: 22 },
  ]
  const { domains } = await (await facility.serve!({ ...nothing, routes }, signal)).apply()
  t.match(domains.get(1), { status: 'true', reason: 'routed' })
  for (const id of [2, 3]) t.match(domains.get(id), { status: 'false', reason: 'route_failed', message: String })
  t.equal((await get('blog.example.com')).status, 200)
  t.equal((await get('other.example.com')).status, 404)
})

void t.test('haproxyFacility() reports routes that wait for a proxy that does not run', { skip }, async (t) => {
  const { haproxy, spec } = await openTestProxy(t)
  const facility = haproxyFacility(haproxy, spec)
  await haproxy.config.ensure(spec, { signal })
  await haproxy.stop({ signal })
  const view = { ...nothing, routes: [{ id: 7, domain: 'blog.example.com', port: 20_000 }] }
  const { domains } = await (await facility.serve!(view, signal)).apply()
  t.matchOnlyStrict([...domains], [[7, { type: 'haproxy', status: 'false', reason: 'not_running', message: String }]])
})

void t.test('haproxyFacility() revives a killed proxy with its routes', { skip }, async (t) => {
  const { haproxy, spec, get, folder } = await openTestProxy(t)
  const facility = haproxyFacility(haproxy, spec)
  await (await facility.prepare!(signal)).apply()
  const { port } = await serveTenant(t)
  const view = { ...nothing, routes: [{ id: 7, domain: 'blog.example.com', port }] }
  await (await facility.serve!(view, signal)).apply()
  t.equal(await facility.revive(signal), false, 'the proxy runs')
  await killHard(Number(readFileSync(`${folder}/r/haproxy.pid`, 'utf8').split('\n')[0]))
  const revived = await Promise.all([facility.revive(signal), facility.revive(signal)])
  t.same(
    revived.toSorted((one, other) => Number(one) - Number(other)),
    [false, true],
    'two calls start it once',
  )
  t.match(await get('blog.example.com'), { status: 200, body: 'hello' })
})

void t.test('haproxyFacility() clears the counters of released slots', { skip }, async (t) => {
  const { haproxy, spec, get } = await openTestProxy(t)
  const facility = haproxyFacility(haproxy, spec)
  await (await facility.prepare!(signal)).apply()
  const { port, slot } = await serveTenant(t)
  await (await facility.serve!({ ...nothing, routes: [{ id: 7, domain: 'blog.example.com', port }] }, signal)).apply()
  await get('blog.example.com')
  const requests = async () => (await haproxy.usage({ signal })).find((row) => row.slot === slot)?.requests ?? 0
  t.equal(await requests(), 1)
  const given = await (await facility.evict!([slotAt(layout, slot), slotAt(layout, 0)], signal)).apply()
  t.same(
    [...given],
    [
      [slot, { done: true }],
      [0, { done: true }],
    ],
  )
  t.equal(await requests(), 0)
})

void t.test('haproxyFacility() plans again when HAProxy ended after the plan', { skip }, async (t) => {
  const { haproxy, spec, get } = await openTestProxy(t)
  const facility = haproxyFacility(haproxy, spec)
  await (await facility.prepare!(signal)).apply()
  const { port } = await serveTenant(t)
  const step = await facility.serve!({ ...nothing, routes: [{ id: 7, domain: 'blog.example.com', port }] }, signal)
  await haproxy.stop({ signal })
  t.strictSame(
    [...(await step.apply()).domains.values()].map(({ reason }) => reason),
    ['not_running'],
  )
  await haproxy.ensureRunning(spec, { signal })
  t.match(await get('blog.example.com'), { status: 200, body: 'hello' })
})

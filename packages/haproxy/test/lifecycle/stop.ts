import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { makeFolders } from '../../src/context.ts'
import { endOurs } from '../../src/lifecycle/stop.ts'
import { findOurs } from '../../src/process.ts'
import { get, range, skip, talk, tenant, testProxy } from '../support/proxy.ts'

void t.test('stop() ends every process of ours and empties the run folder', { skip }, async (t) => {
  const { haproxy, context, settings, port, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  await haproxy.stop()
  t.strictSame(await findOurs(context.own), [])
  t.strictSame(await context.host.list(settings.runFolder), [])
  await t.rejects(get(port, 'x.test'), { code: 'ECONNREFUSED' })
  t.strictSame(await context.host.list(settings.folder), [
    'haproxy.cfg',
    'haproxy.cfg.flock',
    'haproxy.cfg.good',
    'hosts.map',
    'request-body.lua',
    'request-body.lua.good',
    'suspended.map',
  ])
  await t.resolves(haproxy.stop(), 'stop() is idempotent')
})

void t.test('stop() does not wait for a request that never ends', { skip }, async (t) => {
  const backend = await tenant(t)
  const { haproxy, context, port, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  await haproxy.routes.ensure({ ...range, routes: [{ domain: 'a.test', port: backend.port }], suspended: [] })
  const waiting = talk(port, 'GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n').catch(() => '')
  await new Promise((arrived) => backend.server.once('request', arrived))
  await haproxy.stop()
  t.strictSame(await findOurs(context.own), [])
  await waiting
})

void t.test('endOurs() ends a worker whose master was killed, and no other HAProxy', { skip }, async (t) => {
  const other = await testProxy(t)
  await other.haproxy.ensureRunning(other.spec)
  const { haproxy, context, spec } = await testProxy(t)
  const { pid } = await haproxy.ensureRunning(spec)
  process.kill(pid, 'SIGKILL')
  await sleep(1)
  await endOurs(context)
  t.strictSame(await findOurs(context.own), [])
  t.ok(await other.haproxy.alive())
})

void t.test('remove() deletes every file and both folders', { skip }, async (t) => {
  const { haproxy, context, settings, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  await haproxy.remove()
  t.equal(await context.host.status(settings.folder), undefined)
  t.equal(await context.host.status(settings.runFolder), undefined)
  await t.resolves(haproxy.remove(), 'remove() is idempotent')
})

void t.test('remove() deletes the files that a killed check left behind', async (t) => {
  const { haproxy, context, settings } = await testProxy(t)
  await makeFolders(context)
  await context.host.makeFolder(context.files.staged)
  await context.host.replace(`${context.files.staged}/haproxy.cfg`, 'x')
  await haproxy.remove()
  t.equal(await context.host.status(settings.folder), undefined)
})

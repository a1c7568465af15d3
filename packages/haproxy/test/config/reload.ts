import t from 'tap'
import { readBundle } from '../../src/config/bundle.ts'
import { installBundle } from '../../src/config/files.ts'
import { hasIpv6 } from '../../src/config/read.ts'
import { reloadConfig } from '../../src/config/reload.ts'
import { renderConfig } from '../../src/config/render.ts'
import { makeFolders } from '../../src/context.ts'
import { readInfo } from '../../src/runtime/info.ts'
import { get, skip, tenant, testProxy } from '../support/proxy.ts'

t.setTimeout(300_000)

void t.test(
  'config.ensure() names a new address that is in use and does not interrupt HAProxy',
  { skip },
  async (t) => {
    const { haproxy, context, port, settings, spec } = await testProxy(t)
    const other = await tenant(t)
    const { pid } = await haproxy.ensureRunning(spec)
    const before = await context.host.read(context.files.config)
    const worker = await readInfo(context.runtime)
    const taken = `127.0.0.1:${other.port}`
    const wider = { ...spec, listen: [...settings.listen, taken] }
    await t.rejects(haproxy.config.ensure(wider), { code: 'HAPROXY_ADDRESS_IN_USE', message: new RegExp(taken) })
    t.equal(await context.host.read(context.files.config), before)
    t.strictSame(await haproxy.ensureRunning(spec), { started: false, pid })
    t.equal((await readInfo(context.runtime))?.pid, worker?.pid)
    t.equal((await get(port, 'x.test')).status, 404)
    await new Promise((closed) => other.server.close(closed))
    t.match(await haproxy.config.ensure(wider), { changed: true, reloaded: true })
    t.equal((await get(other.port, 'x.test')).status, 404)
  },
)

void t.test('config.ensure() moves a port from one address to every address', { skip }, async (t) => {
  const { haproxy, port, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const wider = { ...spec, listen: [`:${port}`] }
  t.match(await haproxy.config.ensure(wider), { changed: true, reloaded: true })
  t.equal((await get(port, 'x.test')).status, 404)
})

void t.test('config.ensure() installs the last good configuration again when a reload fails', { skip }, async (t) => {
  const { haproxy, context, port, settings, spec } = await testProxy(t)
  const other = await tenant(t)
  await haproxy.ensureRunning(spec)
  // A copy that differs from what runs skips the check for free addresses, as if the address had been taken just now.
  const good = renderConfig({ ...settings, connectionsPerTenant: 7 }, { ipv6: hasIpv6() })
  await context.host.replace(context.files.goodConfig, good)
  const wider = { ...spec, listen: [...settings.listen, `127.0.0.1:${other.port}`] }
  await t.rejects(haproxy.config.ensure(wider), { code: 'HAPROXY_RELOAD_FAILED' })
  t.equal(await context.host.read(context.files.config), good)
  t.equal((await get(port, 'x.test')).status, 404)
  t.match(await haproxy.config.ensure(spec), { changed: true })
  t.equal((await get(port, 'x.test')).status, 404)
})

void t.test('reloadConfig() installs both files of the last good bundle again when the reload fails', async (t) => {
  const { context, settings } = await testProxy(t)
  await makeFolders(context)
  const bundle = (connectionsPerTenant: number, crtList: string) => ({
    config: renderConfig({ ...settings, connectionsPerTenant }, { ipv6: false }),
    crtList,
  })
  const [good, next] = [bundle(7, '/a.pem\n'), bundle(8, '/a.pem\n/b.pem\n')]
  await installBundle(context, next)
  await t.rejects(reloadConfig(context, next, { good }), { code: 'HAPROXY_NOT_RUNNING' })
  t.strictSame(await readBundle(context), good)
})

void t.test('reloadConfig() throws a TypeError for a configuration without a description', async (t) => {
  const { context } = await testProxy(t)
  await t.rejects(reloadConfig(context, { config: 'global\n' }, {}), TypeError)
})

import { connect } from 'node:tls'
import { statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { configDescription, renderConfig } from '../../src/config/render.ts'
import { installBundle } from '../../src/config/files.ts'
import { hasIpv6 } from '../../src/config/read.ts'
import type { Haproxy } from '../../src/haproxy.ts'
import type { ConfigChange } from '../../src/config/plan.ts'
import type { ConfigSpec } from '../../src/settings.ts'
import { readInfo } from '../../src/runtime/info.ts'
import { freePort, get, makeCertificate, skip, skipTls, tenant, testFolder, testProxy } from '../support/proxy.ts'

void t.test('ensureConfig() writes once and then touches nothing', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  t.strictSame(titles(await planNow(haproxy, spec)), [
    'add suspended.map',
    'add hosts.map',
    'add haproxy.cfg',
    'start process',
  ])
  const { changed, started, reloaded, results } = await haproxy.config.ensure(spec)
  t.strictSame([changed, started, reloaded], [true, true, false])
  t.strictSame(results, [
    { target: 'haproxy.cfg', changed: true },
    { target: 'process', changed: true },
  ])
  const files = [context.files.config, context.files.hosts, context.files.goodConfig]
  const before = files.map((file) => statSync(file, { bigint: true }))
  t.match(await haproxy.config.ensure(spec), { changed: false, started: false, reloaded: false })
  t.strictSame(await planNow(haproxy, spec), [])
  const after = files.map((file) => statSync(file, { bigint: true }))
  t.strictSame(
    after.map(({ ino, mtimeNs }) => [ino, mtimeNs]),
    before.map(({ ino, mtimeNs }) => [ino, mtimeNs]),
  )
})

void t.test('ensureConfig() reloads a running HAProxy without ending it', { skip }, async (t) => {
  const { haproxy, context, port, spec } = await testProxy(t)
  const { pid } = await haproxy.ensureRunning(spec)
  const before = await readInfo(context.runtime)
  const changed = { ...spec, connectionsPerTenant: 7 }
  const planned = await planNow(haproxy, changed)
  t.strictSame(titles(planned), ['set haproxy.cfg', 'reload process'])
  t.equal(planned[1]?.before, before?.description)
  t.match(await haproxy.config.ensure(changed), { changed: true, reloaded: true })
  const after = await readInfo(context.runtime)
  t.not(after?.pid, before?.pid)
  t.strictSame(await haproxy.ensureRunning(changed), { started: false, pid })
  t.equal((await get(port, 'x.test')).status, 404)
  t.equal(await context.host.read(context.files.goodConfig), await context.host.read(context.files.config))
})

void t.test('ensureConfig() goes on where a killed one stopped: written and not yet reloaded', { skip }, async (t) => {
  const { haproxy, context, settings, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const changed = { ...spec, connectionsPerTenant: 7 }
  const config = renderConfig({ ...settings, connectionsPerTenant: 7 }, { ipv6: hasIpv6() })
  await installBundle(context, { config })
  t.match(await haproxy.config.ensure(changed), { changed: true, reloaded: true, changes: [{ target: 'process' }] })
  t.equal((await readInfo(context.runtime))?.description, configDescription(config))
})

void t.test('ensureConfig() keeps the running one when HAProxy refuses the new one', { skip }, async (t) => {
  const { haproxy, context, port, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const before = await context.host.read(context.files.config)
  const broken = { ...spec, group: 'no-such-group' }
  await t.rejects(haproxy.config.ensure(broken), { code: 'HAPROXY_CONFIG_INVALID', message: /no-such-group/ })
  t.equal(await context.host.read(context.files.config), before)
  t.equal((await get(port, 'x.test')).status, 404)
})

void t.test('ensureConfig() interrupts nobody when a new address is taken, and names it', { skip }, async (t) => {
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
})

void t.test('ensureConfig() moves a port from one address to every address', { skip }, async (t) => {
  const { haproxy, port, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const wider = { ...spec, listen: [`:${port}`] }
  t.match(await haproxy.config.ensure(wider), { changed: true, reloaded: true })
  t.equal((await get(port, 'x.test')).status, 404)
})

void t.test('ensureConfig() puts the last good one back when a reload fails all the same', { skip }, async (t) => {
  const { haproxy, context, port, settings, spec } = await testProxy(t)
  const other = await tenant(t)
  await haproxy.ensureRunning(spec)
  // Not what runs, so that addresses are not compared: as if the address had been taken in the last moment.
  const good = renderConfig({ ...settings, connectionsPerTenant: 7 }, { ipv6: hasIpv6() })
  await context.host.replace(context.files.goodConfig, good)
  const wider = { ...spec, listen: [...settings.listen, `127.0.0.1:${other.port}`] }
  await t.rejects(haproxy.config.ensure(wider), { code: 'HAPROXY_RELOAD_FAILED' })
  t.equal(await context.host.read(context.files.config), good)
  t.equal((await get(port, 'x.test')).status, 404)
  t.match(await haproxy.config.ensure(spec), { changed: true })
  t.equal((await get(port, 'x.test')).status, 404)
})

void t.test(
  'ensureConfig() serves new and renewed certificates and leaves out broken ones',
  { skip: skipTls },
  async (t) => {
    const certificates = testFolder(t)
    const port = await freePort()
    const { haproxy, context, spec } = await testProxy(t, {
      tls: { listen: [`127.0.0.1:${port}`], certificates: [certificates] },
    })
    t.match(await haproxy.config.ensure(spec), { changed: true, started: true })
    await t.rejects(serialOf(port, 'a.test'))

    makeCertificate(`${certificates}/a.pem`, ['a.test'])
    writeFileSync(`${certificates}/b.pem`, 'nonsense')
    const faults = async () => {
      const { changed, reloaded, results } = await haproxy.config.ensure(spec)
      return [changed, reloaded, results.map((one) => [one.target, one.changed, one.error?.code])]
    }
    const refused = [`${certificates}/b.pem`, false, 'HAPROXY_CERTIFICATE_INVALID']
    const unchanged = ['haproxy.cfg', 'process', `${certificates}/a.pem`].map((target) => [target, false, undefined])
    const all = unchanged.map(([target]) => [target, true, undefined])
    t.strictSame(await faults(), [true, true, [...all, refused]])
    const first = await serialOf(port, 'a.test')
    t.strictSame(await faults(), [false, false, [...unchanged, refused]])

    makeCertificate(`${certificates}/a.pem`, ['a.test'])
    t.strictSame(titles(await planNow(haproxy, spec)), [
      `set ${certificates}/a.pem`,
      'set haproxy.cfg',
      'reload process',
    ])
    t.match(await haproxy.config.ensure(spec), { changed: true, reloaded: true })
    t.not(await serialOf(port, 'a.test'), first)
    t.notMatch(await context.host.read(context.files.crtList), /b\.pem/)
  },
)

void t.test('ensureConfig() drops rows of a map that would keep HAProxy from starting', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.config.ensure(spec)
  await context.host.replace(context.files.hosts, 'a.test 20001\nb.test\nc.test x\n')
  t.strictSame(titles((await haproxy.config.ensure(spec)).changes), ['set hosts.map'])
  t.equal(await context.host.read(context.files.hosts), 'a.test 20001\n')
})

async function planNow(haproxy: Haproxy, spec: ConfigSpec): Promise<readonly ConfigChange[]> {
  return haproxy.config.plan(spec, await haproxy.config.read(spec)).changes
}

function titles(changes: readonly ConfigChange[]): readonly string[] {
  return changes.map(({ action, target }) => `${action} ${target}`)
}

function serialOf(port: number, servername: string): Promise<string> {
  return new Promise((settle, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false }, () => {
      settle(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

import { connect } from 'node:tls'
import { statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { configDescription, renderConfig } from '../../src/config/render.ts'
import { installBundle } from '../../src/config/store.ts'
import { openHaproxy } from '../../src/haproxy.ts'
import { hasIpv6 } from '../../src/process.ts'
import { readInfo } from '../../src/runtime/info.ts'
import { freePort, get, makeCertificate, skip, skipTls, tenant, testFolder, testProxy } from '../support/proxy.ts'

void t.test('ensureConfig() writes once and then touches nothing', { skip }, async (t) => {
  const { haproxy, context } = await testProxy(t)
  t.matchOnlyStrict(await haproxy.planConfig(), [
    { facility: 'haproxy', target: 'haproxy.cfg', action: 'add', after: /^\d+ bytes$/ },
  ])
  const { warnings: _warnings, ...first } = await haproxy.ensureConfig()
  t.strictSame(first, { changed: true, reloaded: false, refused: [] })
  await haproxy.ensureRunning()
  const files = [context.files.config, context.files.hosts, context.files.goodConfig]
  const before = files.map((file) => statSync(file, { bigint: true }))
  t.match(await haproxy.ensureConfig(), { changed: false, reloaded: false })
  t.strictSame(await haproxy.planConfig(), [])
  const after = files.map((file) => statSync(file, { bigint: true }))
  t.strictSame(
    after.map(({ ino, mtimeNs }) => [ino, mtimeNs]),
    before.map(({ ino, mtimeNs }) => [ino, mtimeNs]),
  )
})

void t.test('ensureConfig() reloads a running HAProxy without ending it', { skip }, async (t) => {
  const { haproxy, context, settings, port } = await testProxy(t)
  const { pid } = await haproxy.ensureRunning()
  const before = await readInfo(context.runtime)
  const changed = openHaproxy(context.host, { ...settings, connectionsPerTenant: 7 })
  const bytes = /^\d+ bytes$/
  const common = { facility: 'haproxy', action: 'set' }
  t.matchOnlyStrict(await changed.planConfig(), [
    { ...common, target: 'haproxy.cfg', before: bytes, after: bytes },
    { ...common, target: 'process', before: before?.description, after: /^puppy-[0-9a-f]{16}$/ },
  ])
  t.match(await changed.ensureConfig(), { changed: true, reloaded: true })
  const after = await readInfo(context.runtime)
  t.not(after?.pid, before?.pid)
  t.strictSame(await changed.ensureRunning(), { started: false, pid })
  t.equal((await get(port, 'x.test')).status, 404)
  t.equal(await context.host.read(context.files.goodConfig), await context.host.read(context.files.config))
})

void t.test('ensureConfig() goes on where a killed one stopped: written and not yet reloaded', { skip }, async (t) => {
  const { haproxy, context, settings } = await testProxy(t)
  await haproxy.ensureRunning()
  const changed = openHaproxy(context.host, { ...settings, connectionsPerTenant: 7 })
  const config = renderConfig({ ...settings, connectionsPerTenant: 7 }, { ipv6: hasIpv6() })
  await installBundle(context, { config })
  t.match(await changed.ensureConfig(), { changed: false, reloaded: true })
  t.equal((await readInfo(context.runtime))?.description, configDescription(config))
})

void t.test('ensureConfig() keeps the running one when HAProxy refuses the new one', { skip }, async (t) => {
  const { haproxy, context, settings, port } = await testProxy(t)
  await haproxy.ensureRunning()
  const before = await context.host.read(context.files.config)
  const broken = openHaproxy(context.host, { ...settings, group: 'no-such-group' })
  await t.rejects(broken.ensureConfig(), { code: 'HAPROXY_CONFIG_INVALID', message: /no-such-group/ })
  t.equal(await context.host.read(context.files.config), before)
  t.equal((await get(port, 'x.test')).status, 404)
})

void t.test('ensureConfig() interrupts nobody when a new address is taken, and names it', { skip }, async (t) => {
  const { haproxy, context, settings, port } = await testProxy(t)
  const other = await tenant(t)
  const { pid } = await haproxy.ensureRunning()
  const before = await context.host.read(context.files.config)
  const worker = await readInfo(context.runtime)
  t.ok(worker?.pid)
  const taken = `127.0.0.1:${other.port}`
  const wider = openHaproxy(context.host, { ...settings, listen: [...settings.listen, taken] })
  await t.rejects(wider.ensureConfig(), { code: 'HAPROXY_ADDRESS_IN_USE', message: new RegExp(taken) })
  t.equal(await context.host.read(context.files.config), before)
  t.strictSame(await haproxy.ensureRunning(), { started: false, pid })
  t.equal((await readInfo(context.runtime))?.pid, worker?.pid)
  t.equal((await get(port, 'x.test')).status, 404)
  await new Promise((closed) => other.server.close(closed))
  t.match(await wider.ensureConfig(), { changed: true, reloaded: true })
  t.equal((await get(other.port, 'x.test')).status, 404)
})

void t.test('ensureConfig() moves a port from one address to every address', { skip }, async (t) => {
  const { haproxy, context, settings, port } = await testProxy(t)
  await haproxy.ensureRunning()
  const wider = openHaproxy(context.host, { ...settings, listen: [`:${port}`] })
  t.match(await wider.ensureConfig(), { changed: true, reloaded: true })
  t.equal((await get(port, 'x.test')).status, 404)
})

void t.test('ensureConfig() puts the last good one back when a reload fails all the same', { skip }, async (t) => {
  const { haproxy, context, settings, port } = await testProxy(t)
  const other = await tenant(t)
  await haproxy.ensureRunning()
  // Not what runs, so that addresses are not compared: as if the address had been taken in the last moment.
  const good = renderConfig({ ...settings, connectionsPerTenant: 7 }, { ipv6: hasIpv6() })
  await context.host.replace(context.files.goodConfig, good)
  const wider = openHaproxy(context.host, { ...settings, listen: [...settings.listen, `127.0.0.1:${other.port}`] })
  await t.rejects(wider.ensureConfig(), { code: 'HAPROXY_RELOAD_FAILED' })
  t.equal(await context.host.read(context.files.config), good)
  t.equal((await get(port, 'x.test')).status, 404)
  t.match(await haproxy.ensureConfig(), { changed: true })
  t.equal((await get(port, 'x.test')).status, 404)
})

void t.test(
  'ensureConfig() serves new and renewed certificates and leaves out broken ones',
  { skip: skipTls },
  async (t) => {
    const certificates = testFolder(t)
    const port = await freePort()
    const { haproxy, context } = await testProxy(t, { tls: { listen: [`127.0.0.1:${port}`], certificates } })
    const told = async () => {
      const { changed, reloaded, refused } = await haproxy.ensureConfig()
      return { changed, reloaded, refused: refused.map(({ path, error }) => [path, error.code]) }
    }
    t.strictSame(await told(), { changed: true, reloaded: false, refused: [] })
    await haproxy.ensureRunning()
    await t.rejects(serialOf(port, 'a.test'), { code: /^ERR_SSL_/ })

    makeCertificate(`${certificates}/a.pem`, ['a.test'])
    writeFileSync(`${certificates}/b.pem`, 'nonsense')
    const refused = [[`${certificates}/b.pem`, 'HAPROXY_CERTIFICATE_INVALID']]
    t.strictSame(await told(), { changed: true, reloaded: true, refused })
    const first = await serialOf(port, 'a.test')
    t.strictSame(await told(), { changed: false, reloaded: false, refused })

    makeCertificate(`${certificates}/a.pem`, ['a.test'])
    t.strictSame(
      (await haproxy.planConfig()).map(({ target, action }) => `${action} ${target}`),
      ['set certificates.crt-list', 'set haproxy.cfg', 'set process'],
    )
    t.strictSame(await told(), { changed: true, reloaded: true, refused })
    t.not(await serialOf(port, 'a.test'), first)
    t.notMatch(await context.host.read(context.files.crtList), /b\.pem/)
  },
)

void t.test('ensureConfig() drops rows of a map that would keep HAProxy from starting', { skip }, async (t) => {
  const { haproxy, context } = await testProxy(t)
  await haproxy.ensureConfig()
  await context.host.replace(context.files.hosts, 'a.test 20001\nb.test\nc.test x\n')
  await haproxy.ensureConfig()
  t.equal(await context.host.read(context.files.hosts), 'a.test 20001\n')
})

function serialOf(port: number, servername: string): Promise<string> {
  return new Promise((settle, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false }, () => {
      settle(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

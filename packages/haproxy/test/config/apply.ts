import { freePort, matchWhole } from '@puppy/host/testing'
import { connect } from 'node:tls'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { check, lock } from 'proper-lockfile'
import t from 'tap'
import type { Host } from '@puppy/host'
import { configDescription, renderConfig } from '../../src/config/render.ts'
import { installBundle } from '../../src/config/files.ts'
import { hasIpv6 } from '../../src/config/read.ts'
import { requestBodyScript } from '../../src/config/script.ts'
import { openHaproxy, type Haproxy } from '../../src/haproxy.ts'
import type { ConfigChange } from '../../src/config/plan.ts'
import type { ConfigSpec } from '../../src/settings.ts'
import { readInfo } from '../../src/runtime/info.ts'
import { get, makeCertificate, skip, skipTls, testFolder, testProxy } from '../support/proxy.ts'

t.setTimeout(300_000)

void t.test('config.ensure() writes once and is idempotent', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  t.strictSame(titles(await planNow(haproxy, spec)), [
    'add suspended.map',
    'add hosts.map',
    'add request-body.lua',
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

void t.test('config.ensure() reloads a running HAProxy without ending it', { skip }, async (t) => {
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

void t.test('config.ensure() reloads after a killed call that had only written the files', { skip }, async (t) => {
  const { haproxy, context, settings, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const changed = { ...spec, connectionsPerTenant: 7 }
  const config = renderConfig({ ...settings, connectionsPerTenant: 7 }, { ipv6: hasIpv6() })
  await installBundle(context, { config, script: requestBodyScript })
  matchWhole(t, await haproxy.config.ensure(changed), {
    changed: true,
    reloaded: true,
    changes: [{ target: 'process' }],
  })
  t.equal((await readInfo(context.runtime))?.description, configDescription(config))
})

void t.test('config.ensure() keeps the running configuration when HAProxy refuses the new one', { skip }, async (t) => {
  const { haproxy, context, port, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const before = await context.host.read(context.files.config)
  const broken = { ...spec, group: 'no-such-group' }
  await t.rejects(haproxy.config.ensure(broken), { code: 'HAPROXY_CONFIG_INVALID', message: /no-such-group/ })
  t.equal(await context.host.read(context.files.config), before)
  t.equal((await get(port, 'x.test')).status, 404)
})

void t.test(
  'config.ensure() serves new and renewed certificates and leaves out broken ones',
  { skip: skipTls },
  async (t) => {
    const certificates = testFolder(t)
    const port = await freePort()
    const { haproxy, context, spec } = await testProxy(t, {
      tls: { listen: [`127.0.0.1:${port}`], certificates: [certificates] },
    })
    t.match(await haproxy.config.ensure(spec), { changed: true, started: true })
    await t.rejects(serialOf(port, 'a.test'), { code: /^(ERR_SSL|ECONNRESET)/ })

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

void t.test('config.ensure() removes rows of a map with which HAProxy would not start', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.config.ensure(spec)
  await context.host.replace(context.files.hosts, 'a.test 20001\nb.test\nc.test x\n')
  t.strictSame(titles((await haproxy.config.ensure(spec)).changes), ['set hosts.map'])
  t.equal(await context.host.read(context.files.hosts), 'a.test 20001\n')
})

void t.test('config.ensure() and a tool with proper-lockfile wait for each other', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.config.ensure(spec)
  const file = context.files.config
  const changed = { ...spec, connectionsPerTenant: 7 }
  const before = await context.host.read(file)
  const release = await lock(file)
  await t.rejects(haproxy.config.ensure(changed, { timeout: 100 }), { code: 'HOST_LOCK_TIMEOUT' })
  t.equal(await context.host.read(file), before)
  t.equal((await haproxy.config.ensure(spec)).changed, false, 'an empty change set needs no lock')
  await release()

  const attempts: unknown[] = []
  const run: Host['run'] = async (command, options) => {
    attempts.push(await lock(file).catch((error: unknown) => (error as NodeJS.ErrnoException).code))
    return context.host.run(command, options)
  }
  const watched = openHaproxy({ ...context.host, run }, context.settings)
  t.match(await watched.config.ensure(changed), { changed: true, reloaded: true })
  t.strictSame(attempts, ['ELOCKED'])
  t.equal(await check(file), false, 'the lock is released')
})

void t.test(
  'config.apply() refuses a change set when the configuration or the process changed after it was planned',
  { skip },
  async (t) => {
    const { haproxy, context, spec } = await testProxy(t)
    await haproxy.config.ensure(spec)
    const changeSet = async () => {
      const changed = { ...spec, connectionsPerTenant: 7 }
      return haproxy.config.plan(changed, await haproxy.config.read(changed))
    }
    const onFile = await changeSet()
    const by = `${await context.host.read(context.files.config)}# by hand\n`
    await context.host.replace(context.files.config, by)
    await t.rejects(haproxy.config.apply(onFile), { code: 'HAPROXY_MOVED' })
    t.equal(await context.host.read(context.files.config), by)
    const onProcess = await changeSet()
    await haproxy.stop()
    await t.rejects(haproxy.config.apply(onProcess), { code: 'HAPROXY_MOVED' })
    t.equal(await haproxy.alive(), false)
  },
)

void t.test(
  'config.ensure() leaves out a certificate that only HAProxy refuses, until the file changes',
  { skip: skipTls },
  async (t) => {
    const certificates = testFolder(t)
    const { haproxy, context, spec } = await testProxy(t, {
      tls: { listen: [`127.0.0.1:${await freePort()}`], certificates: [certificates] },
    })
    const [good, odd] = ['good', 'odd'].map((name) => `${certificates}/${name}.pem`) as [string, string]
    makeCertificate(good, ['good.test'])
    await haproxy.config.ensure(spec)
    const worker = await readInfo(context.runtime)
    makeCertificate(odd, ['odd.test'])
    // Our own check reads the first certificate and the key. HAProxy reads the whole chain.
    const chain = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    writeFileSync(odd, readFileSync(odd, 'utf8').replace('-----BEGIN PRIVATE', `${chain}-----BEGIN PRIVATE`))
    const { reloaded, results } = await haproxy.config.ensure(spec)
    t.strictSame(
      results.map(({ target, changed, error }) => [target, changed, error?.code]),
      [
        ['haproxy.cfg', true, undefined],
        ['process', true, undefined],
        [good, false, undefined],
        [odd, false, 'HAPROXY_CERTIFICATE_INVALID'],
      ],
    )
    t.equal(reloaded, false, 'no served certificate changed')
    t.equal((await readInfo(context.runtime))?.pid, worker?.pid)
    const again = await openHaproxy(context.host, context.settings).config.ensure(spec)
    t.strictSame([again.changed, again.changes], [false, []], 'the same in the next process')
    t.equal(again.results.at(-1)?.error?.code, 'HAPROXY_CERTIFICATE_INVALID')
    makeCertificate(odd, ['odd.test'])
    t.match(await haproxy.config.ensure(spec), { changed: true, reloaded: true })
  },
)

async function planNow(haproxy: Haproxy, spec: ConfigSpec): Promise<readonly ConfigChange[]> {
  return haproxy.config.plan(spec, await haproxy.config.read(spec)).changes
}

function titles(changes: readonly ConfigChange[]): readonly string[] {
  return changes.map(({ action, target }) => `${action} ${target}`)
}

function serialOf(port: number, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

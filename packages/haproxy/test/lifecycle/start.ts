import { firstOutput, freePort } from '@puppy/host/testing'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { mkdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { createHost } from '@puppy/host'
import { openHaproxy } from '../../src/haproxy.ts'
import { startFailed } from '../../src/lifecycle/start.ts'
import { findOurs } from '../../src/process.ts'
import { get, range, skip, tenant, testFolder, testProxy } from '../support/proxy.ts'

void t.test('ensureRunning() starts HAProxy once and then adopts it', { skip }, async (t) => {
  const { haproxy, context, settings, spec } = await testProxy(t)
  const planned = async () => haproxy.config.plan(spec, await haproxy.config.read(spec)).changes
  t.match((await planned()).at(-1), { action: 'start', command: /haproxy -W -D -f .*haproxy\.cfg -p / })
  const first = await haproxy.ensureRunning(spec)
  t.ok(first.started)
  t.strictSame(await openHaproxy(createHost(), settings).ensureRunning(spec), { started: false, pid: first.pid })
  t.strictSame(await planned(), [])
  t.equal((await findOurs(context.own)).length, 2)
})

for (const victim of ['master', 'worker'] as const) {
  void t.test(`ensureRunning() restarts a HAProxy whose ${victim} was killed`, { skip }, async (t) => {
    const { haproxy, context, port, spec } = await testProxy(t)
    const { pid } = await haproxy.ensureRunning(spec)
    const worker = (await findOurs(context.own)).find(({ parent }) => parent === pid)?.pid ?? 0
    process.kill(victim === 'master' ? pid : worker, 'SIGKILL')
    for (let turn = 0; turn < 200 && (await haproxy.alive()); turn++) await sleep(20)
    t.equal(await haproxy.alive(), false)
    const again = await haproxy.ensureRunning(spec)
    t.ok(again.started && again.pid !== pid)
    t.equal((await get(port, 'x.test')).status, 404)
    t.equal((await findOurs(context.own)).length, 2)
  })
}

void t.test('ensureRunning() removes stale files of an earlier HAProxy', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.config.ensure(spec)
  await haproxy.stop()
  mkdirSync(context.files.peersFolder)
  const stale = createServer().listen(context.files.peers)
  await once(stale, 'listening')
  await context.host.replace(context.files.pid, `${process.pid}\n`)
  await context.host.replace(context.files.socket, 'no socket')
  t.match(await haproxy.ensureRunning(spec), { started: true })
  stale.close()
})

void t.test('ensureRunning() names the address that another process listens on', { skip }, async (t) => {
  const { port } = await tenant(t)
  const { haproxy, context, spec } = await testProxy(t, { listen: [`127.0.0.1:${port}`] })
  await t.rejects(haproxy.ensureRunning(spec), {
    code: 'HAPROXY_ADDRESS_IN_USE',
    message: new RegExp(`127\\.0\\.0\\.1:${port}.*HAProxy reported: .*Address already in use`),
  })
  t.strictSame(await findOurs(context.own), [])
  t.equal(await haproxy.alive(), false)
})

void t.test('ensureRunning() does not share an address with another HAProxy of the same user', { skip }, async (t) => {
  const first = await testProxy(t)
  await first.haproxy.ensureRunning(first.spec)
  const second = await testProxy(t, { listen: first.settings.listen })
  await t.rejects(second.haproxy.ensureRunning(second.spec), { code: 'HAPROXY_ADDRESS_IN_USE' })
  t.ok(await first.haproxy.alive())
})

void t.test('ensureRunning() names the package when the program is missing', async (t) => {
  const settings = { folder: '/f', runFolder: '/r', listen: [':80'], connectionsPerTenant: 5, ...range }
  const haproxy = openHaproxy(createFakeHost(), settings)
  await t.rejects(haproxy.ensureRunning(settings), {
    code: 'HAPROXY_NOT_INSTALLED',
    message: /apt-get install haproxy/,
  })
})

void t.test('ensureRunning() works on a host that is only a folder', { skip }, async (t) => {
  const root = testFolder(t)
  const port = await freePort()
  const settings = { folder: '/f', runFolder: '/r', listen: [`127.0.0.1:${port}`], connectionsPerTenant: 5, ...range }
  const haproxy = openHaproxy(createHost({ root }), { ...settings, service: 'puppy-never' })
  t.teardown(() => haproxy.stop())
  t.match(await haproxy.ensureRunning(settings), { started: true })
  t.equal((await get(port, 'x.test')).status, 404)
  t.ok(await haproxy.alive())
})

void t.test('HAProxy keeps running when the process that started it is killed', { skip }, async (t) => {
  const { haproxy, settings, spec } = await testProxy(t)
  const program = `import { createHost } from '@puppy/host'
    import { openHaproxy } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)}
    const settings = ${JSON.stringify(settings)}
    console.log((await openHaproxy(createHost(), settings).ensureRunning(settings)).pid)
    setInterval(() => {}, 1000)`
  const cwd = new URL('../../', import.meta.url)
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said = await firstOutput(child)
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.ok(await haproxy.alive())
  t.strictSame(await haproxy.ensureRunning(spec), { started: false, pid: Number(said) })
})

void t.test('startFailed() quotes the standard error of HAProxy', async (t) => {
  t.match(startFailed('[ALERT]    (1) : cannot do that\n'), { code: 'HAPROXY_START_FAILED', message: /cannot do that/ })
  t.match(startFailed('Segmentation fault'), { code: 'HAPROXY_START_FAILED', message: /Segmentation fault/ })
})

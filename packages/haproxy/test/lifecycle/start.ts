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
import { freePort, get, range, skip, tenant, testFolder, testProxy } from '../support/proxy.ts'

void t.test('ensureRunning() starts once and adopts from then on', { skip }, async (t) => {
  const { haproxy, context, settings } = await testProxy(t)
  t.matchOnlyStrict(await haproxy.planRunning(), [
    {
      facility: 'haproxy',
      target: 'process',
      action: 'add',
      after: /haproxy -W -D -f \S*haproxy\.cfg -p \S*haproxy\.pid -L puppy$/,
    },
  ])
  const first = await haproxy.ensureRunning()
  t.ok(first.started)
  t.strictSame(await openHaproxy(createHost(), settings).ensureRunning(), { started: false, pid: first.pid })
  t.strictSame(await haproxy.planRunning(), [])
  t.equal((await findOurs(context.files.config)).length, 2)
})

for (const victim of ['master', 'worker'] as const) {
  void t.test(`ensureRunning() revives a HAProxy whose ${victim} was killed`, { skip }, async (t) => {
    const { haproxy, context, port } = await testProxy(t)
    const { pid } = await haproxy.ensureRunning()
    const worker = (await findOurs(context.files.config)).find(({ parent }) => parent === pid)?.pid ?? 0
    process.kill(victim === 'master' ? pid : worker, 'SIGKILL')
    for (let turn = 0; turn < 200 && (await haproxy.alive()); turn++) await sleep(20)
    t.equal(await haproxy.alive(), false)
    const again = await haproxy.ensureRunning()
    t.ok(again.started && again.pid !== pid)
    t.equal((await get(port, 'x.test')).status, 404)
    t.equal((await findOurs(context.files.config)).length, 2)
  })
}

void t.test('ensureRunning() clears away stale files of another life', { skip }, async (t) => {
  const { haproxy, context } = await testProxy(t)
  await haproxy.ensureConfig()
  mkdirSync(context.files.peersFolder)
  const stale = createServer().listen(context.files.peers)
  await once(stale, 'listening')
  await context.host.replace(context.files.pid, `${process.pid}\n`)
  await context.host.replace(context.files.socket, 'no socket')
  t.match(await haproxy.ensureRunning(), { started: true })
  stale.close()
})

void t.test('ensureRunning() names the address that somebody else listens on', { skip }, async (t) => {
  const { port } = await tenant(t)
  const { haproxy, context } = await testProxy(t, { listen: [`127.0.0.1:${port}`] })
  await t.rejects(haproxy.ensureRunning(), {
    code: 'HAPROXY_ADDRESS_IN_USE',
    message: new RegExp(`127\\.0\\.0\\.1:${port}.*HAProxy said: .*Address already in use`),
  })
  t.strictSame(await findOurs(context.files.config), [])
  t.equal(await haproxy.alive(), false)
})

void t.test('ensureRunning() does not share an address with another HAProxy of the same user', { skip }, async (t) => {
  const first = await testProxy(t)
  await first.haproxy.ensureRunning()
  const second = await testProxy(t, { listen: first.settings.listen })
  await t.rejects(second.haproxy.ensureRunning(), { code: 'HAPROXY_ADDRESS_IN_USE' })
  t.ok(await first.haproxy.alive())
})

void t.test('ensureRunning() names the package when the program is missing', async (t) => {
  const settings = { folder: '/f', runFolder: '/r', listen: [':80'], connectionsPerTenant: 5, ...range }
  const haproxy = openHaproxy(createFakeHost(), settings)
  await t.rejects(haproxy.ensureRunning(), { code: 'HAPROXY_NOT_INSTALLED', message: /package haproxy/ })
  t.match(await haproxy.probe(), { works: false, remedy: /package haproxy/ })
})

void t.test('ensureRunning() works on a host that is only a folder', { skip }, async (t) => {
  const root = testFolder(t)
  const port = await freePort()
  const settings = { folder: '/f', runFolder: '/r', listen: [`127.0.0.1:${port}`], connectionsPerTenant: 5, ...range }
  const haproxy = openHaproxy(createHost({ root }), { ...settings, service: 'puppy-never' })
  t.teardown(() => haproxy.stop())
  t.match(await haproxy.ensureRunning(), { started: true })
  t.equal((await get(port, 'x.test')).status, 404)
  t.ok(await haproxy.alive())
})

void t.test('HAProxy lives on when the process that started it is killed', { skip }, async (t) => {
  const { haproxy, settings } = await testProxy(t)
  const program = `import { createHost } from '@puppy/host'
    import { openHaproxy } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)}
    const haproxy = openHaproxy(createHost(), ${JSON.stringify(settings)})
    console.log((await haproxy.ensureRunning()).pid)
    setInterval(() => {}, 1000)`
  const cwd = new URL('../../', import.meta.url)
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.ok(await haproxy.alive())
  t.strictSame(await haproxy.ensureRunning(), { started: false, pid: Number(said.toString('utf8')) })
})

void t.test('startFailed() passes on what HAProxy said, whatever it is', async (t) => {
  t.match(startFailed('[ALERT]    (1) : cannot do that\n'), { code: 'HAPROXY_START_FAILED', message: /cannot do that/ })
  t.match(startFailed('Segmentation fault'), { code: 'HAPROXY_START_FAILED', message: /Segmentation fault/ })
})

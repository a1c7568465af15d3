import t from 'tap'
import { hasIpv6, readConfig } from '../../src/config/read.ts'
import { createFakeHaproxy } from '../support/fake-haproxy.ts'
import { range, skip, testContext, testProxy } from '../support/proxy.ts'

void t.test('readConfig() returns the start command before the first installation', { skip }, async (t) => {
  const { context, settings } = await testProxy(t)
  const observed = await readConfig(context)
  t.match(observed.startCommand, /haproxy -W -D -f /)
  const { startCommand: _, ...rest } = observed
  t.strictSame(rest, {
    location: { folder: settings.folder, runFolder: settings.runFolder },
    ipv6: hasIpv6(),
    certificates: { served: [], refused: [] },
    maps: {},
  })
})

void t.test('readConfig() finds the process, also when its pid file is missing', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  const { pid } = await haproxy.ensureRunning(spec)
  const { process: found, startCommand, installed, good } = await readConfig(context)
  t.match(found, { pid, named: true, description: /^puppy-[0-9a-f]{16}$/ })
  t.equal(startCommand, undefined)
  t.strictSame(good, installed)
  await context.host.remove(context.files.pid)
  t.match((await readConfig(context)).process, { pid, named: false })
  t.equal(await context.host.read(context.files.pid), undefined, 'readConfig() does not write')
  const { changes } = await haproxy.config.ensure(spec)
  t.strictSame(
    changes.map(({ action, target }) => `${action} ${target}`),
    ['set haproxy.pid'],
  )
  t.equal(await context.host.read(context.files.pid), `${pid}\n`)
})

void t.test('readConfig() throws when a living HAProxy does not answer', async (t) => {
  const { host, runtime } = createFakeHaproxy()
  const settings = { folder: '/f', runFolder: '/r', listen: ['127.0.0.1:1'], connectionsPerTenant: 1, ...range }
  const context = { ...testContext(host, settings), runtime }
  await host.run(['/usr/sbin/haproxy', '-W', '-D', '-f', '/f/haproxy.cfg', '-p', '/haproxy.pid'], {
    touches: 'ours',
    accept: [0, 1],
  })
  t.equal((await readConfig(context)).process, undefined)
  await host.makeFolder('/f')
  await host.replace('/f/haproxy.cfg', '  description puppy-0123456789abcdef\n')
  await host.run(['/usr/sbin/haproxy', '-W', '-D', '-f', '/f/haproxy.cfg', '-p', '/haproxy.pid'], { touches: 'ours' })
  t.match((await readConfig(context)).process, { description: 'puppy-0123456789abcdef', named: false })
  const silent = { ...runtime, send: () => Promise.resolve('') }
  await t.rejects(readConfig({ ...context, runtime: silent }, { timeout: 50 }), { code: 'HAPROXY_TIMEOUT' })
})

void t.test('hasIpv6() returns a boolean', async (t) => {
  t.type(hasIpv6(), 'boolean')
})

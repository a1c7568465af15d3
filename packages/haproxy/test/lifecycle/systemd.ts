import t from 'tap'
import { createFakeHost, type FakeHostOptions } from '@puppy/host/fake'
import { findService, removeService, startService, stopService } from '../../src/lifecycle/systemd.ts'
import { range, testContext } from '../support/proxy.ts'

const settings = { folder: '/f', runFolder: '/r', listen: [':80'], connectionsPerTenant: 5, ...range, service: 'front' }

/** Creates a host that records the commands. `test/live` runs them with a real systemd. */
function booted(exitCode = 0, more: FakeHostOptions = {}) {
  const host = createFakeHost({
    files: { '/run/systemd/system/x': '', '/etc/systemd/system/x': '' },
    programs: { '/usr/bin/systemctl': () => ({ exitCode, stderr: 'it failed' }), '/usr/sbin/haproxy': () => ({}) },
    ...more,
  })
  return {
    host,
    context: testContext(host, settings),
    words: () => host.commands.map((command) => command.slice(1).join(' ')),
  }
}

void t.test('findService() needs a unit name, a live host and a running systemd', async (t) => {
  t.strictSame(await findService(booted().context), { unit: 'front.service', systemctl: '/usr/bin/systemctl' })
  t.equal(await findService(booted(0, { live: false }).context), undefined)
  t.equal(await findService(booted(0, { files: {} }).context), undefined)
  const { service: _, ...unnamed } = settings
  t.equal(await findService(testContext(booted().host, unnamed)), undefined)
})

void t.test('startService() writes and starts the unit, and reloads systemd only when the unit changed', async (t) => {
  const { host, context, words } = booted()
  const service = { unit: 'front.service', systemctl: '/usr/bin/systemctl' }
  await startService(context, service)
  await startService(context, service)
  t.match(
    await host.read('/etc/systemd/system/front.service'),
    /ExecStart=\/usr\/sbin\/haproxy -Ws -f \/f\/haproxy\.cfg/,
  )
  t.strictSame(words(), ['daemon-reload', 'enable --now front.service', 'enable --now front.service'])
})

void t.test('stopService() and removeService() do nothing without a unit file', async (t) => {
  const { host, context, words } = booted()
  const service = { unit: 'front.service', systemctl: '/usr/bin/systemctl' }
  await stopService(context, service)
  await removeService(context, service)
  t.strictSame(words(), [])
  await startService(context, service)
  await stopService(context, service)
  await removeService(context, service)
  t.strictSame(words().slice(2), ['stop front.service', 'disable front.service', 'daemon-reload'])
  t.equal(await host.status('/etc/systemd/system/front.service'), undefined)
})

void t.test('startService() throws the standard error of systemctl', async (t) => {
  const { context } = booted(1)
  const attempt = startService(context, { unit: 'front.service', systemctl: '/usr/bin/systemctl' })
  await t.rejects(attempt, { code: 'HAPROXY_START_FAILED', message: /it failed/ })
})

import { createHost } from '@puppy/host'
import t from 'tap'
import { readConfig } from '../src/config.ts'
import { databaseUrls, openHosts, placesOf, proxySettings, wallsOf } from '../src/layout.ts'

const root = { uid: 0, hostname: 'h1', cwd: '/' }

void t.test('placesOf() and proxySettings() keep everything below the state and run folders', async (t) => {
  const config = readConfig({ PUPPY_ROOT: '/tmp/x', PUPPY_CERTIFICATES: '/etc/certs' }, root)
  const places = placesOf(config)
  for (const path of [places.adminKey, places.logs, places.proxy, places.upLock, places.api.path])
    t.ok(path.startsWith('/tmp/x/var/lib/puppy/'), path)
  const users = {
    postgres: { name: 'n', uid: 1, gid: 1 },
    api: { name: 'n', uid: 1, gid: 1 },
    haproxy: { user: 'haproxy', group: 'haproxy', uid: 3 },
  }
  t.strictSame(
    proxySettings(config, users),
    {
      folder: '/tmp/x/var/lib/puppy/haproxy',
      runFolder: '/tmp/x/var/lib/puppy/run/haproxy',
      listen: [':80'],
      tls: { listen: [':443'], certificates: '/etc/certs' },
      firstPort: 10_240,
      portsPerSlot: 8,
      slots: 2816,
      connectionsPerTenant: 200,
      user: 'haproxy',
      group: 'haproxy',
    },
    'no unit of the machine for a folder',
  )
  t.notOk('user' in proxySettings(config, undefined))
  const { callers, guards } = wallsOf(config, createHost({ root: '/tmp/x' }), users, { alive: async () => true })
  t.strictSame(callers, [0, 3])
  t.strictSame(
    guards.map(({ name, port, uids }) => ({ name, port, uids })),
    [
      { name: 'api', port: 8420, uids: [1] },
      { name: 'proxy-80', port: 80, uids: [0, 3] },
      { name: 'proxy-443', port: 443, uids: [0, 3] },
    ],
  )
  t.strictSame(wallsOf(config, createHost({ root: '/tmp/x' }), undefined, { alive: async () => true }).callers, [0])
})

void t.test('databaseUrls() are the embedded ones unless given', async (t) => {
  t.match(databaseUrls(readConfig({}, root)), {
    owner: 'postgres://puppy@/puppy?host=%2Frun%2Fpuppy%2Fpostgres',
    api: /puppy_api/,
    agent: /puppy_agent/,
  })
  t.match(databaseUrls(readConfig({ API_DATABASE_URL: 'postgres://x@y/z' }, root)), { api: 'postgres://x@y/z' })
})

void t.test('openHosts() gives one host on the machine itself, so that its locks cover everything', async (t) => {
  const live = openHosts({ live: true, root: '/' })
  t.equal(live.host, live.machine)
  t.match(openHosts({ live: false, root: '/tmp/x' }), {
    host: { root: '/tmp/x', live: false },
    machine: { live: true },
  })
})

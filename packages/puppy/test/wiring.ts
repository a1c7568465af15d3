import { createHost } from '@puppy/host'
import t from 'tap'
import { readConfig } from '../src/config.ts'
import { openHosts, proxySettings, wallsOf } from '../src/wiring.ts'

const root = { uid: 0, hostname: 'h1', cwd: '/' }

void t.test('proxySettings() and wallsOf() follow the settings and the users', async (t) => {
  const config = readConfig({ PUPPY_ROOT: '/tmp/x', PUPPY_CERTIFICATES: '/etc/certs' }, root)
  const users = {
    postgres: { name: 'n', uid: 1, gid: 1 },
    api: { name: 'n', uid: 1, gid: 1 },
    haproxy: { user: 'haproxy', group: 'haproxy', uid: 3 },
  }
  t.match(proxySettings(config, users), {
    folder: '/tmp/x/var/lib/puppy/haproxy',
    listen: [':80'],
    tls: { listen: [':443'], certificates: '/etc/certs' },
    firstPort: 10_240,
    slots: 2816,
    user: 'haproxy',
  })
  t.notOk('service' in proxySettings(config, users), 'no unit of the machine for a folder')
  t.notOk('user' in proxySettings(config, undefined))
  t.match(wallsOf(config, createHost({ root: '/tmp/x' }), users, { alive: async () => true }), {
    callers: [0, 3],
    guards: [
      { name: 'api', port: 8420, uids: [1] },
      { name: 'proxy-80', port: 80, uids: [0, 3] },
      { name: 'proxy-443', port: 443, uids: [0, 3] },
    ],
  })
  t.match(wallsOf(config, createHost({ root: '/tmp/x' }), undefined, { alive: async () => true }).callers, [0])
})

void t.test('openHosts() gives one host on the machine itself, so that its locks cover everything', async (t) => {
  const live = openHosts({ live: true, root: '/' })
  t.equal(live.host, live.machine)
  t.match(openHosts({ live: false, root: '/tmp/x' }), {
    host: { root: '/tmp/x', live: false },
    machine: { live: true },
  })
})

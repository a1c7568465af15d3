import { matchWhole } from '@puppy/host/testing'
import { createHost } from '@puppy/host'
import t from 'tap'
import { readConfig } from '../src/config.ts'
import { openHosts, proxySettings, firewallSettings } from '../src/wiring.ts'

const root = { uid: 0, hostname: 'h1', cwd: '/' }

void t.test('proxySettings() and firewallSettings() follow the settings and the users', async (t) => {
  const limits = {
    PUPPY_PROXY_ADDRESS_CONNECTIONS: '7',
    PUPPY_PROXY_ADDRESS_REQUESTS: '8',
    PUPPY_PROXY_BODY_RATE: '9',
  }
  const config = readConfig({ PUPPY_ROOT: '/tmp/x', PUPPY_CERTIFICATES: '/etc/certs', ...limits }, root)
  const users = {
    postgres: { name: 'n', uid: 1, gid: 1 },
    api: { name: 'n', uid: 1, gid: 1 },
    haproxy: { user: 'haproxy', group: 'haproxy', uid: 3 },
  }
  const site = { config, users, host: createHost({ root: '/tmp/x' }), systemd: false }
  const haproxy = { alive: async () => true }
  matchWhole(t, proxySettings(site), {
    folder: '/tmp/x/var/lib/puppy/haproxy',
    listen: [':80'],
    tls: { listen: [':443'], certificates: ['/etc/certs'] },
    firstPort: 10_240,
    slots: 2816,
    connectionsPerTenant: 200,
    connectionsPerAddress: 7,
    requestsPerAddress: 8,
    bodyRate: 9,
    user: 'haproxy',
  })
  t.notOk('service' in proxySettings(site), 'a host that is a folder uses no unit of the machine')
  t.equal(proxySettings({ ...site, systemd: true }).service, 'puppy-haproxy')
  t.notOk('user' in proxySettings({ ...site, users: undefined }))
  matchWhole(t, firewallSettings(site, haproxy), {
    callers: [0, 3],
    guards: [
      { name: 'api', port: 8420, uids: [0, 1] },
      { name: 'proxy-80', port: 80, uids: [0, 3] },
      { name: 'proxy-443', port: 443, uids: [0, 3] },
    ],
  })
  matchWhole(t, firewallSettings({ ...site, users: undefined }, haproxy).callers, [0])
  t.notOk('rulesFile' in firewallSettings(site, haproxy), 'a host that is a folder has no file that a unit reads')
  t.equal(firewallSettings({ ...site, systemd: true }, haproxy).rulesFile, '/etc/puppy/firewall.json')
})

void t.test('openHosts() returns one host for the machine itself, so that one lock covers both', async (t) => {
  const live = openHosts({ live: true, root: '/' })
  t.equal(live.host, live.machine)
  t.match(openHosts({ live: false, root: '/tmp/x' }), {
    host: { root: '/tmp/x', live: false },
    machine: { live: true },
  })
})

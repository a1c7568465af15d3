import t from 'tap'
import {
  assertLocation,
  assertSettings,
  maxSocketPath,
  proxyFiles,
  visitorLimits,
  type ProxySettings,
} from '../src/settings.ts'

const sound: ProxySettings = {
  folder: '/var/lib/puppy/haproxy',
  runFolder: '/run/puppy',
  listen: [':80'],
  firstPort: 10_240,
  portsPerSlot: 8,
  slots: 2816,
  connectionsPerTenant: 50,
}

void t.test('assertSettings() accepts the defaults of a host', async (t) => {
  t.doesNotThrow(() => assertSettings(sound))
  t.doesNotThrow(() => assertSettings({ ...sound, user: 'haproxy', group: 'haproxy', service: 'puppy-haproxy' }))
})

const unsound: [title: string, more: Partial<ProxySettings>][] = [
  ['a relative folder', { folder: 'var' }],
  ['a folder with a dot segment', { folder: '/var/../etc' }],
  ['a folder with a newline', { folder: '/var/\nglobal' }],
  ['the root folder', { folder: '/' }],
  ['a trailing slash', { runFolder: '/run/' }],
  ['a folder of certificates that is relative', { tls: { listen: [':443'], certificates: ['certs'] } }],
  ['no address', { listen: [] }],
  ['a name to listen on', { listen: ['localhost:80'] }],
  ['an invalid TLS address', { tls: { listen: ['443'], certificates: ['/etc/certs'] } }],
  ['one address twice', { listen: [':80', '127.0.0.1:80'] }],
  ['an address for HTTP and HTTPS', { tls: { listen: ['[::1]:80'], certificates: ['/etc/certs'] } }],
  ['no slots', { slots: 0 }],
  ['half a slot', { slots: 1.5 }],
  ['no connections', { connectionsPerTenant: 0 }],
  ['no connections of an address', { connectionsPerAddress: 0 }],
  ['too many connections of an address', { connectionsPerAddress: 1_000_001 }],
  ['no requests of an address', { requestsPerAddress: 0 }],
  ['half a request of an address', { requestsPerAddress: 1.5 }],
  ['a negative rate', { bodyRate: -1 }],
  ['a rate that is no number', { bodyRate: Number.NaN }],
  ['too high a rate', { bodyRate: 1_000_001 }],
  ['no grace', { bodyGrace: 0 }],
  ['ports above 65535', { slots: 7000 }],
  ['a user with a space', { user: 'a b' }],
  ['a group with a newline', { group: 'a\nuser root' }],
  ['a unit with a slash', { service: '../x' }],
]
for (const [title, more] of unsound) {
  void t.test(`assertSettings() refuses ${title}`, async (t) => {
    t.throws(() => assertSettings({ ...sound, ...more }), { code: 'HAPROXY_SETTINGS_INVALID' })
  })
}

void t.test('visitorLimits() leaves a quarter of a tenant to other addresses', async (t) => {
  t.strictSame(visitorLimits({ ...sound, connectionsPerTenant: 200 }), {
    connectionsPerAddress: 1000,
    requestsPerAddress: 150,
    bodyRate: 500,
    bodyGrace: 20,
  })
  t.equal(visitorLimits({ ...sound, connectionsPerTenant: 1 }).requestsPerAddress, 1)
  const own = { connectionsPerAddress: 1, requestsPerAddress: 1_000_000, bodyRate: 0, bodyGrace: 3600 }
  t.strictSame(visitorLimits({ ...sound, ...own }), own)
  t.doesNotThrow(() => assertSettings({ ...sound, ...own }))
})

void t.test('assertLocation() checks only the location', async (t) => {
  t.doesNotThrow(() => assertLocation({ folder: '/f', runFolder: '/r', service: 'front' }))
  for (const more of [{ folder: 'f' }, { runFolder: '/r/' }, { service: '../x' }]) {
    t.throws(() => assertLocation({ folder: '/f', runFolder: '/r', ...more }), { code: 'HAPROXY_SETTINGS_INVALID' })
  }
})

void t.test('assertSettings() counts the bytes of the socket path', async (t) => {
  const longest = `/${'r'.repeat(maxSocketPath - '/haproxy.sock'.length - 1)}`
  t.equal(proxyFiles({ folder: '/f', runFolder: longest }).socket.length, maxSocketPath)
  t.doesNotThrow(() => assertSettings({ ...sound, runFolder: longest }))
  t.throws(() => assertSettings({ ...sound, runFolder: `${longest}r` }), { code: 'HAPROXY_SETTINGS_INVALID' })
  t.throws(() => assertSettings({ ...sound, runFolder: `${longest.slice(0, -1)}é` }), {
    code: 'HAPROXY_SETTINGS_INVALID',
  })
})

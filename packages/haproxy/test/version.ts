import { execFileSync } from 'node:child_process'
import t from 'tap'
import { isSupported, parseVersion } from '../src/version.ts'
import { skip } from './support/proxy.ts'

void t.test('parseVersion() reads the version of the installed program', { skip }, async (t) => {
  const version = parseVersion(execFileSync('/usr/sbin/haproxy', ['-vv'], { encoding: 'utf8' }))
  t.match(version, { text: /^[0-9]+\.[0-9]+/, openssl: true, lua: true })
  t.ok(version !== undefined && version.major >= 2)
})

void t.test(
  'parseVersion() recognizes a build without OpenSSL and Lua, and the old spelling of the name',
  async (t) => {
    t.match(parseVersion('HA-Proxy version 2.2.9-2 2021/01/01\nFeature list : +EPOLL -OPENSSL +ZLIB\n'), {
      text: '2.2.9-2',
      major: 2,
      minor: 2,
      openssl: false,
      lua: false,
    })
  },
)

void t.test('parseVersion() returns undefined for another program', async (t) => {
  for (const text of ['', 'nginx version: 1.2', 'HAProxy version', 'HAProxy version x.y']) {
    t.equal(parseVersion(text), undefined)
  }
})

void t.test('isSupported() accepts 2.6 and later', async (t) => {
  const at = (major: number, minor: number) => isSupported({ text: '', major, minor, openssl: true, lua: true })
  t.strictSame([at(1, 9), at(2, 4), at(2, 5), at(2, 6), at(2, 10), at(3, 0)], [false, false, false, true, true, true])
})

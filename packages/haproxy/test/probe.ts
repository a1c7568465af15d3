import t from 'tap'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { createContext } from '../src/context.ts'
import { probeVersion, readProbe } from '../src/probe.ts'
import { skip } from './support/proxy.ts'

const location = { folder: '/f', runFolder: '/r' }

void t.test('readProbe() reports that the installed program works', { skip }, async (t) => {
  const probe = await readProbe(createContext(createHost(), location))
  t.match(probe, { works: true, version: /^[0-9]+\.[0-9]+/, features: { service: { works: false } } })
  t.strictSame([probe.error, probe.steps, probe.warnings], [undefined, [], []])
})

void t.test('readProbe() reports how to install a missing program', async (t) => {
  const probe = await readProbe(createContext(createFakeHost(), location))
  t.match(probe, { works: false, error: { code: 'HAPROXY_NOT_INSTALLED' } })
  t.strictSame(probe.steps, ['apt-get install haproxy'])
})

void t.test('readProbe() does not throw when the program fails', async (t) => {
  const host = createFakeHost({ programs: { '/usr/sbin/haproxy': () => ({ exitCode: 139 }) } })
  const probe = await readProbe(createContext(host, location))
  t.match(probe, { works: false, error: { code: 'HAPROXY_UNSUPPORTED' } })
})

void t.test('readProbe() reports whether systemd can run the unit', async (t) => {
  const programs = { '/usr/sbin/haproxy': () => ({}), '/usr/bin/systemctl': () => ({}) }
  const files = { '/run/systemd/system/x': '' }
  const serviceOf = async (host: ReturnType<typeof createFakeHost>) => {
    const { features } = await readProbe(createContext(host, { ...location, service: 'front' }))
    return features.service
  }
  t.strictSame(await serviceOf(createFakeHost({ programs, files })), { works: true, steps: [] })
  t.match(await serviceOf(createFakeHost({ programs })), { works: false, reason: /systemd does not run/ })
  const without = await serviceOf(createFakeHost({ files }))
  t.strictSame(without.steps, ['apt-get install systemd'])
})

const versions: [output: string, works: boolean, reason: RegExp | undefined][] = [
  ['HAProxy version 3.0.11-1 2025/06/02\nFeature list : -51DEGREES +OPENSSL +LUA\n', true, undefined],
  ['HA-Proxy version 2.2.9-2 2021\nFeature list : +OPENSSL\n', false, /2\.2\.9-2 is older than 2\.6/],
  ['HAProxy version 3.0.0 2024\nFeature list : -OPENSSL\n', false, /without OpenSSL/],
  ['HAProxy version 3.0.1 2024\nFeature list : -LUA +OPENSSL\n', false, /without Lua/],
  ['something else', false, /no version/],
]
for (const [output, works, reason] of versions) {
  void t.test(`probeVersion() of ${output.split('\n', 1)[0]}`, async (t) => {
    const probe = probeVersion(output)
    t.equal(probe.works, works)
    t.equal(probe.error?.code, works ? undefined : 'HAPROXY_UNSUPPORTED')
    if (reason !== undefined) t.match(probe.error?.message, reason)
    t.equal(probe.steps.length, works ? 0 : 1)
  })
}

void t.test('probeVersion() reports the version, also of a program that is too old', async (t) => {
  t.equal(probeVersion('HAProxy version 3.0.11-1 2025\nFeature list : +OPENSSL\n').version, '3.0.11-1')
  t.equal(probeVersion('HAProxy version 2.4.1 2021\nFeature list : +OPENSSL\n').version, '2.4.1')
})

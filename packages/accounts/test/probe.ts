import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { probe, probeFor } from '../src/probe.ts'

const works = { works: true, steps: [] }

void t.test('probe() reports missing programs and their packages', async (t) => {
  const found = await probe(createFakeHost({ programs: { '/usr/bin/ssh-keygen': () => ({}) } }))
  t.equal(found.works, false)
  const steps = [
    'apt-get install systemd-standalone-sysusers',
    'apt-get install systemd-standalone-tmpfiles',
    'apt-get install libc-bin',
    'apt-get install passwd',
  ]
  t.strictSame(found.steps, steps, 'each package once')
  t.equal(found.error?.code, 'ACCOUNT_PROGRAM_MISSING')
  t.match(
    found.error?.message,
    /"systemd-sysusers, systemd-tmpfiles, getent, userdel, groupdel": they are not installed/,
  )
  t.strictSame(found.features.pool, {
    works: false,
    reason: 'systemd-sysusers, systemd-tmpfiles, getent, userdel, groupdel are not installed',
    steps,
  })
  t.strictSame(found.features.keys, works)
  t.strictSame(
    Object.entries(found.features).flatMap(([name, feature]) => (feature.works ? [name] : [])),
    ['keys'],
  )
  t.match(found.features.linger.reason, /systemd/)
})

void t.test('probe() reports that linger works with systemd', async (t) => {
  const found = await probe(createFakeHost({ files: { '/run/systemd/system/x': '' } }))
  t.strictSame(found.features.linger, works)
})

void t.test('probe() needs only the programs of `pool`', async (t) => {
  const names = ['systemd-sysusers', 'systemd-tmpfiles', 'getent', 'userdel', 'groupdel']
  const hostWith = (some: readonly string[]) =>
    createFakeHost({ programs: Object.fromEntries(some.map((name) => [`/usr/bin/${name}`, () => ({})])) })
  const found = await probe(hostWith(names))
  t.equal(found.works, true)
  t.equal(found.error, undefined)
  t.strictSame(found.steps, [])
  t.equal(found.features.logins.works, false)
  const without = await probe(hostWith(names.slice(0, -1)))
  t.strictSame([without.works, without.steps], [false, ['apt-get install passwd']])
})

void t.test('probeFor() never rejects', async (t) => {
  const host = { ...createFakeHost(), status: () => Promise.reject(new Error('no such luck')) }
  const found = await probeFor(host, ['logins'])
  t.strictSame(found.features.linger, { works: false, reason: 'no such luck', steps: [] })
  t.strictSame(found.steps, ['apt-get install openssh-server', 'apt-get install passwd'])
})

import { createFakeHost, type FakeHostOptions } from '@puppy/host/fake'
import { HostError } from '@puppy/host'
import t from 'tap'
import { createFakeSelinux, type FakeSelinuxOptions } from '../src/fake.ts'
import { probePolicy } from '../src/probe.ts'

const hostWith = (options: FakeSelinuxOptions = {}, more: FakeHostOptions = {}) => {
  const fake = createFakeSelinux(options)
  const host = createFakeHost({
    ...fake.options,
    ...more,
    files: { ...fake.options.files, ...more.files },
  })
  return { fake, host }
}
const without = (name: string) => {
  const { programs } = createFakeSelinux().options
  return Object.fromEntries(Object.entries(programs).filter(([path]) => !path.endsWith(`/${name}`)))
}
const works = { works: true, steps: [] }

void t.test('probePolicy() reports a working machine and changes nothing', async (t) => {
  const { fake, host } = hostWith()
  t.strictSame(await probePolicy(host), {
    works: true,
    state: { mode: 'enforcing', type: 'default', configured: 'enforcing', mls: true, policyVersion: 33 },
    steps: [],
    warnings: [],
    features: { levels: works, booleans: works },
  })
  t.equal(fake.commits(), 0)
})

void t.test('probePolicy() warns that SELinux is permissive, now or after the next boot', async (t) => {
  const permissive = await probePolicy(hostWith({ mode: 'permissive' }).host)
  t.strictSame(
    [permissive.works, permissive.warnings],
    [true, ['SELinux is permissive: it logs denials and does not enforce them; run "setenforce 1"']],
  )
  const files = { '/etc/selinux/config': 'SELINUX=permissive\nSELINUXTYPE=default\n' }
  t.strictSame((await probePolicy(hostWith({}, { files }).host)).warnings, [
    'SELinux will be permissive after the next boot; set SELINUX=enforcing in /etc/selinux/config',
  ])
})

void t.test('probePolicy() returns the steps for each reason of failure', async (t) => {
  const install = 'apt-get install selinux-basics selinux-policy-default'
  const bare = await probePolicy(createFakeHost())
  t.strictSame([bare.works, bare.steps], [false, [install, 'selinux-activate', 'reboot']])
  t.match(bare.error, {
    code: 'SELINUX_DISABLED',
    message: /SELinux is off in this kernel; to enable it: apt-get install/,
  })

  const off = await probePolicy(hostWith({ mode: 'off' }).host)
  t.strictSame([off.works, off.steps], [false, ['apt-get install selinux-basics', 'selinux-activate', 'reboot']])

  const { host } = hostWith({}, { files: { '/etc/selinux/config': '' } })
  const typeless = await probePolicy(host)
  t.strictSame([typeless.error?.code, typeless.steps], ['SELINUX_DISABLED', [install, 'selinux-activate', 'reboot']])
  t.equal((await probePolicy(host, { type: 'default' })).works, true)
  const storeless = await probePolicy(host, { type: 'mls' })
  t.match(storeless.error, { code: 'SELINUX_DISABLED', message: /the policy is not installed/ })

  const toolless = await probePolicy(hostWith({}, { programs: without('semodule') }).host)
  t.strictSame([toolless.error?.code, toolless.steps], ['SELINUX_NOT_INSTALLED', ['apt-get install policycoreutils']])
})

void t.test('probePolicy() reports each feature separately', async (t) => {
  const { features, works: all } = await probePolicy(hostWith({}, { files: { '/sys/fs/selinux/mls': '0' } }).host)
  t.equal(all, true)
  t.strictSame([features.levels.works, features.levels.reason], [false, 'the loaded policy has no levels'])
  t.equal(features.levels.steps[0], 'apt-get install selinux-policy-default')
  const lacking = {
    works: false,
    reason: 'libsemanage cannot be used from Python',
    steps: ['apt-get install policycoreutils-python-utils'],
  }
  const { '/usr/bin/python3': _, ...programs } = createFakeSelinux().options.programs
  t.strictSame((await probePolicy(hostWith({}, { programs }).host)).features.booleans, lacking)
  const broken = { ...programs, '/usr/bin/python3': () => ({ exitCode: 1, stderr: 'ModuleNotFoundError' }) }
  t.strictSame((await probePolicy(hostWith({}, { programs: broken }).host)).features.booleans, lacking)
})

void t.test('probePolicy() does not depend on the kernel when the host is a folder', async (t) => {
  const probe = await probePolicy(hostWith({ mode: 'off' }, { live: false }).host)
  t.strictSame([probe.works, probe.error, probe.features.levels.works], [true, undefined, false])
  t.strictSame((await probePolicy(createFakeHost({ live: false }))).steps, [])
})

void t.test('probePolicy() never throws', async (t) => {
  const strange = await probePolicy(hostWith({}, { files: { '/sys/fs/selinux/enforce': 'yes' } }).host)
  t.match(strange.error, { code: 'SELINUX_UNREADABLE', message: /the file should contain a number/ })
  t.equal('state' in strange, false)
  const fail = async () => {
    throw new HostError('HOST_READ_FAILED', { operation: 'read', path: '/x', detail: 'EIO' })
  }
  const unreadable = await probePolicy({ ...hostWith().host, read: fail, run: fail })
  t.match(unreadable.error, { code: 'SELINUX_UNREADABLE', message: /probe SELinux.*EIO/ })
  const aborted = await probePolicy(hostWith().host, { signal: AbortSignal.abort() })
  t.strictSame([aborted.works, aborted.features.booleans.works], [true, false])
})

import { setTimeout as sleep } from 'node:timers/promises'
import { pamPolicy, pamProfilePath } from '@puppy/cgroups'
import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import { SelinuxError } from '@puppy/selinux'
import t from 'tap'
import { cgroupProfile } from '../../src/sessions/cgroup-profile.ts'
import { planProfile, profileKeeper, removeProfile, type ProfileOptions } from '../../src/sessions/profile.ts'
import { createFakePolicy } from '../support/policy.ts'

const { signal } = new AbortController()
const group = 'puppy-tenants'
const common = '/etc/pam.d/common-session-noninteractive'
const install = { facility: 'cgroups', target: pamProfilePath, action: 'install' }
const selinux = {
  '/sys/fs/selinux/enforce': '1',
  '/sys/fs/selinux/mls': '1',
  '/sys/fs/selinux/policyvers': '33',
  '/etc/selinux/config': 'SELINUX=enforcing\nSELINUXTYPE=default\n',
}

/** Creates a Debian host in memory with a fake pam-auth-update. */
function open(files: Readonly<Record<string, string>> = {}, { edited = false, lacking = '' } = {}) {
  const update: FakeProgram = async ({ host, args }) => {
    const profile = args.includes('--remove') ? '' : ((await host.read(pamProfilePath)) ?? '')
    if (!edited) await host.replace(common, `session required pam_unix.so\n${profile}`)
    return { exitCode: 0, stdout: '', stderr: '' }
  }
  const programs = Object.fromEntries(
    Object.entries({ '/usr/sbin/pam-auth-update': update, '/usr/sbin/semodule': () => ({}) }).filter(
      ([path]) => !path.endsWith(`/${lacking}`),
    ),
  )
  const there = { [common]: 'session required pam_unix.so\n', '/usr/share/pam-configs/unix': '' }
  const host = createFakeHost({ files: { ...there, ...files }, programs })
  return { host, policy: createFakePolicy() }
}

const profile = cgroupProfile(group)
const plan = (options: ProfileOptions) => planProfile(options, profile, signal)
const ensure = async (options: ProfileOptions) => (await plan(options)).apply()

void t.test('planProfile() installs the profile once', async (t) => {
  const options = open()
  const { host, policy } = options
  t.strictSame((await plan(options)).changes, [install])
  t.equal(await host.read(pamProfilePath), undefined, 'a plan writes nothing')
  t.strictSame(await ensure(options), [])
  t.match(await host.read(common), `ingroup ${group}`)
  const before = host.commands.length
  t.strictSame((await plan(options)).changes, [])
  t.strictSame(await ensure(options), [])
  t.equal(host.commands.length, before, 'planning runs no program')
  t.equal(policy.modules.size, 0, 'without SELinux no policy changes')
  await removeProfile(host, profile.files)
  t.notMatch(await host.read(common), 'ingroup')
  t.equal(await host.read(pamProfilePath), undefined)
  await removeProfile(host, profile.files)
})

void t.test('planProfile() continues after a kill before pam-auth-update', async (t) => {
  const whole = open()
  await ensure(whole)
  const options = open({ [pamProfilePath]: (await whole.host.read(pamProfilePath)) ?? '' })
  t.strictSame((await plan(options)).changes, [install])
  t.strictSame(await ensure(options), [])
  t.match(await options.host.read(common), `ingroup ${group}`)
  t.strictSame((await plan(options)).changes, [])
})

void t.test('planProfile() loads the policy before the profile, and again after it was removed', async (t) => {
  const options = open(selinux)
  const { host, policy } = options
  policy.behind = async () => t.equal(await host.read(pamProfilePath), undefined, 'the profile comes after the rules')
  const titles = async () =>
    (await plan(options)).changes.map(({ facility, action, target }) => `${facility}: ${action} ${target}`)
  t.strictSame(await titles(), ['selinux: install module puppy_cgroups', `cgroups: install ${pamProfilePath}`])
  t.strictSame(await ensure(options), [])
  t.strictSame([...policy.modules], [['puppy_cgroups', pamPolicy]])
  t.strictSame((await plan(options)).changes, [])
  policy.modules.clear()
  policy.behind = undefined
  t.strictSame(await titles(), ['selinux: install module puppy_cgroups'])
  await ensure(options)
  t.equal(policy.modules.size, 1)
})

void t.test('planProfile() reports why jobs run outside their limits, and changes nothing then', async (t) => {
  const rows = [
    [open({}, { lacking: 'pam-auth-update' }), /pam-auth-update\(8\) or .* does not exist/],
    [open(selinux, { lacking: 'semodule' }), /semodule\(8\) is not installed/],
  ] as const
  for (const [options, why] of rows) {
    const step = await plan(options)
    t.strictSame(step.changes, [])
    t.matchOnlyStrict(await step.apply(), [why])
    t.strictSame(options.host.commands, [])
  }
  t.matchOnlyStrict(await ensure(open({}, { edited: true })), [/was edited by hand/])
})

void t.test('planProfile() reports a policy that fails, and does not install the profile', async (t) => {
  const options = open(selinux)
  options.policy.behind = () => {
    throw new SelinuxError('SELINUX_REFUSED', { operation: 'commit the policy', said: 'none of it' })
  }
  t.matchOnlyStrict(await ensure(options), [/outside the limits of their accounts: .*none of it/])
  t.equal(await options.host.read(pamProfilePath), undefined)
  options.policy.unreadable = new SelinuxError('SELINUX_DISABLED', { operation: 'find the policy' })
  t.matchOnlyStrict(await ensure(options), [/find the policy/])
})

void t.test('profileKeeper() waits after a failure, and not after a success', async (t) => {
  const options = open({}, { edited: true })
  const { prepare } = profileKeeper(options, profile)
  const remarks = await (await prepare(signal)).apply()
  t.matchOnlyStrict(remarks, [/was edited by hand/])
  const before = options.host.commands.length
  t.strictSame(await (await prepare(signal)).apply(), remarks, 'it is still reported')
  t.equal(options.host.commands.length, before, 'it is not tried again')
  const { prepare: good } = profileKeeper(open(), profile)
  t.strictSame(await (await good(signal)).apply(), [])
  t.strictSame((await good(signal)).changes, [])
})

void t.test('profileKeeper() does not delay a pass for a policy', async (t) => {
  const options = open(selinux)
  const built = Promise.withResolvers<undefined>()
  options.policy.behind = () => built.promise
  const { prepare, installing } = profileKeeper(options, profile)
  t.equal(installing(), false)
  t.matchOnlyStrict(await (await prepare(signal)).apply(), [/is installing the PAM profile/])
  t.matchOnlyStrict(await (await prepare(signal)).apply(), [/is installing the PAM profile/], 'it does not start twice')
  t.equal(installing(), true)
  built.resolve(undefined)
  while ((await (await prepare(signal)).apply()).length > 0) await sleep(5)
  t.equal(installing(), false)
  t.match(await options.host.read(common), `ingroup ${group}`)
})

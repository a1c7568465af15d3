import { setTimeout as sleep } from 'node:timers/promises'
import { pamPolicy, pamProfilePath } from '@puppy/cgroups'
import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import { planSessions, removeSessions, sessionsKeeper } from '../../../src/agent/facilities/sessions.ts'

const { signal } = new AbortController()
const group = 'puppy-tenants'
const common = '/etc/pam.d/common-session-noninteractive'
const policyFile = '/etc/puppy/selinux/puppy-cgroups.cil'
const stored = '/var/lib/selinux/default/active/modules/400/puppy-cgroups/cil'
const selinux = { '/sys/fs/selinux/enforce': '1', '/etc/selinux/config': 'SELINUX=enforcing\nSELINUXTYPE=default\n' }

/** A Debian in memory: its two programs do what ours are run for. */
function open(files: Readonly<Record<string, string>> = {}, { edited = false, lacking = '' } = {}) {
  const update: FakeProgram = async ({ host, args }) => {
    const profile = args.includes('--remove') ? '' : ((await host.read(pamProfilePath)) ?? '')
    if (!edited) await host.replace(common, `session required pam_unix.so\n${profile}`)
    return { exitCode: 0, stdout: '', stderr: '' }
  }
  const semodule: FakeProgram = async ({ host, args }) => {
    if (args[0] === '-r') {
      await host.remove(stored)
      await host.remove(stored.slice(0, -'/cil'.length))
    } else {
      await host.makeFolder(stored.slice(0, -'/cil'.length))
      await host.replace(stored, (await host.read(args[1] ?? '')) ?? '')
    }
    return { exitCode: 0, stdout: '', stderr: '' }
  }
  const programs = Object.fromEntries(
    Object.entries({ '/usr/sbin/pam-auth-update': update, '/usr/sbin/semodule': semodule }).filter(
      ([path]) => !path.endsWith(`/${lacking}`),
    ),
  )
  const there = {
    [common]: 'session required pam_unix.so\n',
    '/usr/share/pam-configs/unix': '',
    '/etc/puppy/x': '',
    [`${stored.slice(0, -19)}other/cil`]: '',
  }
  return createFakeHost({ files: { ...there, ...files }, programs })
}

const ensure = async (host: Parameters<typeof planSessions>[0]) => (await planSessions(host, group, signal)).apply()

void t.test('planSessions() installs the profile once', async (t) => {
  const host = open()
  t.match((await planSessions(host, group, signal)).changes, [{ target: pamProfilePath, action: 'install' }])
  t.equal(await host.read(pamProfilePath), undefined, 'a plan writes nothing')
  t.strictSame(await ensure(host), [])
  t.match(await host.read(common), `ingroup ${group}`)
  const before = host.commands.length
  t.strictSame((await planSessions(host, group, signal)).changes, [])
  t.strictSame(await ensure(host), [])
  t.equal(host.commands.length, before, 'looking runs nothing')
  await removeSessions(host)
  t.notMatch(await host.read(common), 'ingroup')
  t.equal(await host.read(pamProfilePath), undefined)
})

void t.test('planSessions() loads the policy before the profile, and again when somebody removes it', async (t) => {
  const host = open(selinux)
  t.strictSame(await ensure(host), [])
  t.match(
    host.commands.map(([program]) => program),
    ['/usr/sbin/semodule', '/usr/sbin/pam-auth-update'],
  )
  t.equal(await host.read(stored), pamPolicy)
  t.equal(await host.read(policyFile), pamPolicy)
  t.strictSame(await host.list('/etc/puppy/selinux'), ['puppy-cgroups.cil'])
  t.strictSame((await planSessions(host, group, signal)).changes, [])
  await host.remove(stored)
  await host.remove('/var/lib/selinux/default/active/modules/400/puppy-cgroups')
  t.match((await planSessions(host, group, signal)).changes, [{ target: 'puppy-cgroups', action: 'load' }])
  await ensure(host)
  t.equal(await host.read(stored), pamPolicy)
  await removeSessions(host)
  t.equal(await host.read(policyFile), undefined)
})

void t.test('removeSessions() goes on where somebody has removed the module before', async (t) => {
  const host = open(selinux)
  await ensure(host)
  await host.remove(stored)
  await host.remove(stored.slice(0, -'/cil'.length))
  const before = host.commands.length
  await removeSessions(host)
  const asked = host.commands.slice(before).map(([program]) => program)
  t.strictSame(asked, ['/usr/sbin/pam-auth-update'], 'semodule is not asked for what is gone')
  t.equal(await host.read(policyFile), undefined)
  t.equal(await host.read(pamProfilePath), undefined)
})

void t.test('planSessions() says what keeps jobs outside, and touches nothing then', async (t) => {
  const rows = [
    [open({}, { lacking: 'pam-auth-update' }), /no pam-auth-update/],
    [open(selinux, { lacking: 'semodule' }), /semodule\(8\) is not installed/],
    [open({ ...selinux, '/etc/selinux/config': 'SELINUX=enforcing\n' }), /does not say which policy/],
  ] as const
  for (const [host, why] of rows) {
    const step = await planSessions(host, group, signal)
    t.strictSame(step.changes, [])
    t.match(await step.apply(), [why])
    t.strictSame(host.commands, [])
  }
  t.match(await ensure(open({}, { edited: true })), [/somebody has edited it/])
})

void t.test(
  'planSessions() tells of a program that fails, and does not install what the policy does not carry',
  async (t) => {
    const host = open(selinux)
    const failing = {
      ...host,
      run: async (...args: Parameters<typeof host.run>) =>
        args[0][0].endsWith('semodule') ? host.run(['/usr/sbin/none'], args[1]) : host.run(...args),
    }
    t.match(await ensure(failing), [/outside of their limits: .*none/])
    t.equal(await host.read(pamProfilePath), undefined)
  },
)

void t.test('sessionsKeeper() has patience after a failure, and none after a success', async (t) => {
  const host = open({}, { edited: true })
  const prepare = sessionsKeeper(host, group)
  const remarks = await (await prepare(signal)).apply()
  t.match(remarks, [/somebody has edited it/])
  const before = host.commands.length
  t.strictSame(await (await prepare(signal)).apply(), remarks, 'it is still told')
  t.equal(host.commands.length, before, 'and not tried again')
  const good = sessionsKeeper(open(), group)
  t.strictSame(await (await good(signal)).apply(), [])
  t.strictSame((await good(signal)).changes, [])
})

void t.test('sessionsKeeper() keeps no pass waiting for a policy', async (t) => {
  const host = open(selinux)
  const built = Promise.withResolvers<undefined>()
  const slow = {
    ...host,
    run: async (...args: Parameters<typeof host.run>) => {
      await built.promise
      return host.run(...args)
    },
  }
  const prepare = sessionsKeeper(slow, group)
  t.match(await (await prepare(signal)).apply(), [/being changed/])
  t.match(await (await prepare(signal)).apply(), [/being changed/], 'nor does it begin twice')
  built.resolve(undefined)
  while ((await (await prepare(signal)).apply()).length > 0) await sleep(5)
  t.match(await host.read(common), `ingroup ${group}`)
})

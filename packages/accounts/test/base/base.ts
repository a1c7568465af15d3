import { statSync } from 'node:fs'
import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import { ensureBase, planBase, readBase, removeBase } from '../../src/base/base.ts'
import { defaultLayout } from '../../src/slots.ts'
import { scratch, whyNot } from '../support/scratch.ts'

const dropIn = '/etc/ssh/sshd_config.d/10-puppy.conf'
const include = 'Include /etc/ssh/sshd_config.d/*.conf\n'
const skip = whyNot()

void t.test('ensureBase() writes once, removeBase() leaves nothing', { skip }, async (t) => {
  const { host, layout } = scratch(t, 0)
  await host.makeFolder('/etc/ssh')
  await host.replace('/etc/ssh/sshd_config', include)
  const first = await ensureBase(host, layout)
  t.equal(first.changes.length, 6)
  t.matchOnlyStrict(first.planned, [/only a folder/])
  t.match(await host.status('/etc/systemd/user-environment-generators/50-puppy'), { mode: 0o755, uid: 0 })
  const before = statSync(host.path(dropIn), { bigint: true }).mtimeNs
  t.strictSame((await ensureBase(host, layout)).changes, [])
  t.equal(statSync(host.path(dropIn), { bigint: true }).mtimeNs, before)
  await host.replace('/etc/puppy/keys/.puppy-0123456789ab.tmp', 'what a killed write left')
  t.equal((await removeBase(host)).changes.length, 6)
  t.equal(await host.status('/etc/puppy'), undefined)
  t.equal(await host.status(dropIn), undefined)
  t.strictSame((await removeBase(host)).changes, [])
})

void t.test('planBase() says what a machine without sshd and systemd lacks', { skip }, async (t) => {
  const { host, layout } = scratch(t, 0)
  const plan = planBase(layout, await readBase(host))
  t.matchOnlyStrict(plan.degraded, [/no sshd/, /systemd/])
  t.notOk(plan.files.some(({ path }) => path === dropIn))
  await host.makeFolder('/etc/ssh')
  await host.replace('/etc/ssh/sshd_config', 'UsePAM yes\n')
  t.matchOnlyStrict(planBase(layout, await readBase(host)).degraded, [/does not include/, /systemd/])
})

void t.test('removeBase() leaves logins alone and names them', { skip }, async (t) => {
  const { host, layout } = scratch(t, 0)
  await ensureBase(host, layout)
  await host.replace('/etc/puppy/keys/p10000', 'k')
  t.matchOnlyStrict((await removeBase(host)).planned, [/keys is not empty: p10000/, /puppy is not empty: keys/])
  t.equal(await host.read('/etc/puppy/keys/p10000'), 'k')
})

const machine = (sshd: FakeProgram, files: Record<string, string> = {}) =>
  createFakeHost({ files: { '/etc/ssh/sshd_config': include, ...files }, programs: { '/usr/sbin/sshd': sshd } })

void t.test('ensureBase() takes the drop-in back when sshd refuses it', async (t) => {
  const refusing: FakeProgram = async ({ host }) =>
    (await host.status(dropIn)) === undefined ? {} : { exitCode: 255, stderr: 'bad line' }
  const host = machine(refusing)
  await t.rejects(ensureBase(host, defaultLayout), { code: 'ACCOUNT_SSHD_REFUSED', message: /bad line/ })
  t.equal(await host.status(dropIn), undefined)
})

void t.test('ensureBase() keeps the drop-in when sshd was unhappy before', async (t) => {
  const host = machine(() => ({ exitCode: 255, stderr: 'no folder' }))
  t.matchOnlyStrict((await ensureBase(host, defaultLayout)).degraded, [/systemd/, /not because of our file: no folder/])
  t.ok(await host.status(dropIn))
  t.matchOnlyStrict((await ensureBase(host, defaultLayout)).degraded, [/systemd/, /no folder/], 'and says so again')
})

void t.test('ensureBase() leaves the reload to a person without systemd, and warns of UsePAM no', async (t) => {
  const host = machine(({ args }) => ({ stdout: args[0] === '-T' ? 'port 22\nusepam no\n' : '' }))
  const { degraded, planned } = await ensureBase(host, defaultLayout)
  t.matchOnlyStrict(degraded, [/systemd/, /UsePAM no/])
  t.matchOnlyStrict(planned, [/kill -HUP/])
})

void t.test('ensureBase() reloads the unit that is active', async (t) => {
  const systemctl: FakeProgram = ({ args }) => ({
    stdout: args[0] === 'list-units' ? 'ssh.service loaded active running OpenBSD\n' : '',
  })
  const files = { '/etc/ssh/sshd_config': include, '/run/systemd/system/x': '' }
  const host = createFakeHost({ files, programs: { '/usr/sbin/sshd': () => ({}), '/usr/bin/systemctl': systemctl } })
  const { changes, ...rest } = await ensureBase(host, defaultLayout)
  t.equal(changes.length, 6)
  t.strictSame(rest, { degraded: [], planned: [] })
  t.strictSame(host.commands.at(-1), ['/usr/bin/systemctl', 'reload', 'ssh.service'])
})

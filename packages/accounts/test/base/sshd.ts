import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import { checkSshd, readUsePam, reloadSshd } from '../../src/base/sshd.ts'

const machine = (programs: Readonly<Record<string, FakeProgram>>, files: Readonly<Record<string, string>> = {}) =>
  createFakeHost({ programs, files })

void t.test('checkSshd() returns the output of sshd -t when it refuses the configuration', async (t) => {
  const host = machine({ '/usr/sbin/sshd': () => ({ exitCode: 255, stderr: 'bad line' }) })
  t.equal(await checkSshd(host, {}), 'bad line')
  t.equal(await checkSshd(machine({ '/usr/sbin/sshd': () => ({}) }), {}), undefined)
  await t.rejects(checkSshd(host, { signal: AbortSignal.abort() }), { code: 'HOST_ABORTED' })
  await t.rejects(checkSshd(machine({}), {}), { code: 'ACCOUNT_PROGRAM_MISSING' })
})

void t.test('readUsePam() returns false only if sshd prints `usepam no`', async (t) => {
  const saying = (stdout: string, exitCode = 0) => machine({ '/usr/sbin/sshd': () => ({ stdout, exitCode }) })
  t.equal(await readUsePam(saying('port 22\nusepam no\n'), {}), false)
  t.equal(await readUsePam(saying('usepam yes\n'), {}), true)
  t.equal(await readUsePam(saying('', 255), {}), true, 'an sshd that does not answer is not one without PAM')
})

void t.test('reloadSshd() reloads each active unit once', async (t) => {
  const active = 'ssh.service loaded active running\nsshd.service loaded active\nssh.service again\n'
  const systemctl: FakeProgram = ({ args }) => ({ stdout: args[0] === 'list-units' ? active : '' })
  const host = machine({ '/usr/bin/systemctl': systemctl }, { '/run/systemd/system/x': '' })
  t.strictSame(await reloadSshd(host, {}), [])
  t.strictSame(host.commands.at(-1), ['/usr/bin/systemctl', 'reload', 'ssh.service', 'sshd.service'])
})

void t.test('reloadSshd() reloads nothing when sshd is socket-activated', async (t) => {
  const host = machine({ '/usr/bin/systemctl': () => ({}) }, { '/run/systemd/system/x': '' })
  t.strictSame(await reloadSshd(host, {}), [])
  t.equal(host.commands.length, 1)
})

void t.test('reloadSshd() returns a step for the operator without systemd', async (t) => {
  t.matchOnlyStrict(await reloadSshd(machine({ '/usr/bin/systemctl': () => ({}) }), {}), [/kill -HUP/])
})

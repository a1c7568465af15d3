import { statSync } from 'node:fs'
import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import { applyBase } from '../../src/base/apply.ts'
import { openBase } from '../../src/base/base.ts'
import { defaultLayout } from '../../src/slots.ts'
import { scratch, whyNot } from '../support/scratch.ts'
import { shown } from '../support/shown.ts'

const dropIn = '/etc/ssh/sshd_config.d/10-puppy.conf'
const reloadMark = '/etc/puppy/sshd-reload'
const include = 'Include /etc/ssh/sshd_config.d/*.conf\n'
const skip = whyNot()

void t.test('applyBase() writes the files once, and removes them', { skip }, async (t) => {
  const { host, layout } = scratch(t, 0)
  await host.makeFolder('/etc/ssh')
  await host.replace('/etc/ssh/sshd_config', include)
  const base = openBase(host, layout)
  const first = await base.ensure('present')
  t.equal(first.changes.length, 7)
  t.matchOnlyStrict(first.steps, [/on the machine itself/])
  t.match(await host.status('/etc/systemd/user-environment-generators/50-puppy'), { mode: 0o755, uid: 0 })
  const before = statSync(host.path(dropIn), { bigint: true }).mtimeNs
  const second = await base.ensure('present')
  t.strictSame([second.changed, second.changes, second.steps], [false, [], []])
  t.equal(statSync(host.path(dropIn), { bigint: true }).mtimeNs, before)
  await host.replace('/etc/puppy/keys/.puppy-0123456789ab.tmp', 'what a killed write left')
  t.equal((await base.ensure('absent')).changes.length, 7)
  t.equal(await host.status('/etc/puppy'), undefined)
  t.equal(await host.status(dropIn), undefined)
  t.ok(await host.status('/etc/ssh/sshd_config.d'), 'a folder of the system stays')
  t.strictSame((await base.ensure('absent')).changes, [])
})

void t.test('applyBase() does not remove logins and reports them', { skip }, async (t) => {
  const { host, layout } = scratch(t, 0)
  const base = openBase(host, layout)
  await base.ensure('present')
  await host.replace('/etc/puppy/keys/p10000', 'k')
  const { results } = await base.ensure('absent')
  const code = 'ACCOUNT_FOLDER_IN_USE'
  t.matchOnlyStrict(results.filter(({ error }) => error !== undefined).map(shown), [
    { target: '/etc/puppy', changed: false, code, message: /not empty: keys/ },
    { target: '/etc/puppy/keys', changed: false, code, message: /not empty: p10000/ },
  ])
  t.equal(await host.read('/etc/puppy/keys/p10000'), 'k')
  t.equal(await host.status('/etc/puppy/env'), undefined, 'the empty folders are removed')
})

void t.test('applyBase() does not overwrite a file that changed after it was read', { skip }, async (t) => {
  const { host, layout } = scratch(t, 0)
  const base = openBase(host, layout)
  const changeSet = base.plan('present', await base.read('present'))
  await host.makeFolder('/etc/profile.d')
  await host.replace('/etc/profile.d/puppy.sh', 'of an administrator')
  const { changes, results } = await base.apply(changeSet)
  t.equal(changes, changeSet.changes)
  t.strictSame(
    results.map(({ target, error }) => [target, error?.code]),
    [
      ['/etc/puppy', undefined],
      ['/etc/puppy/keys', undefined],
      ['/etc/puppy/env', undefined],
      ['/etc/puppy/released', undefined],
      ['/etc/profile.d/puppy.sh', 'ACCOUNT_STALE'],
      ['/etc/systemd/user-environment-generators/50-puppy', undefined],
    ],
  )
  t.equal(await host.read('/etc/profile.d/puppy.sh'), 'of an administrator')
})

void t.test('applyBase() throws when the signal is aborted', async (t) => {
  const host = createFakeHost()
  await t.rejects(openBase(host, defaultLayout).ensure('present', { signal: AbortSignal.abort() }), {
    code: 'HOST_ABORTED',
  })
  t.equal(await host.status('/etc/puppy'), undefined)
})

const machine = (sshd: FakeProgram, files: Record<string, string> = {}) =>
  createFakeHost({ files: { '/etc/ssh/sshd_config': include, ...files }, programs: { '/usr/sbin/sshd': sshd } })

void t.test('applyBase() restores the old drop-in when sshd refuses the new one', async (t) => {
  const refusing: FakeProgram = async ({ host }) =>
    /Match Group/.test((await host.read(dropIn)) ?? '') ? { exitCode: 255, stderr: 'bad line' } : {}
  const failed = { changed: false, code: 'ACCOUNT_SSHD_REFUSED', message: /bad line/ }
  const host = machine(refusing)
  const { results, steps } = await openBase(host, defaultLayout).ensure('present')
  t.matchOnlyStrict(results.filter(({ error }) => error !== undefined).map(shown), [{ target: dropIn, ...failed }])
  t.equal(await host.status(dropIn), undefined)
  t.equal(await host.status(reloadMark), undefined)
  t.strictSame(steps, [], 'sshd is not reloaded')
  t.ok(await host.status('/etc/profile.d/puppy.sh'), 'the other files are written')

  const before = machine(refusing, { [dropIn]: '# from an older version\n' })
  const again = await openBase(before, defaultLayout).ensure('present')
  t.match(again.results.find(({ target }) => target === dropIn)?.error, { code: 'ACCOUNT_SSHD_REFUSED' })
  t.equal(await before.read(dropIn), '# from an older version\n')
})

void t.test(
  'applyBase() keeps the drop-in when sshd refused the old configuration, and reloads after it is corrected',
  async (t) => {
    let correct = false
    const host = machine(() => (correct ? {} : { exitCode: 255, stderr: 'no folder' }))
    const base = openBase(host, defaultLayout)
    const refused = /refuses its existing configuration.*: no folder/
    t.matchOnlyStrict((await base.ensure('present')).warnings, [/systemd/, refused])
    t.ok(await host.status(dropIn))
    const again = await base.ensure('present')
    t.matchOnlyStrict(again.warnings, [/systemd/, refused], 'the warning is repeated')
    t.strictSame([again.changed, again.changes], [false, []])
    correct = true
    const { changes, steps } = await base.ensure('present')
    t.strictSame(
      changes.map(({ action }) => action),
      ['reload sshd'],
    )
    t.matchOnlyStrict(steps, [/kill -HUP/])
    t.strictSame((await base.ensure('present')).changes, [])
  },
)

void t.test('applyBase() returns the reload as a step without systemd, and warns about UsePAM no', async (t) => {
  const host = machine(({ args }) => ({ stdout: args[0] === '-T' ? 'port 22\nusepam no\n' : '' }))
  const { warnings, steps } = await openBase(host, defaultLayout).ensure('present')
  t.matchOnlyStrict(warnings, [/systemd/, /UsePAM no/])
  t.matchOnlyStrict(steps, [/kill -HUP/])
})

const withSystemd = (systemctl: FakeProgram) =>
  createFakeHost({
    files: { '/etc/ssh/sshd_config': include, '/run/systemd/system/x': '' },
    programs: { '/usr/sbin/sshd': () => ({}), '/usr/bin/systemctl': systemctl },
  })

void t.test('applyBase() reloads the unit that is active', async (t) => {
  const host = withSystemd(({ args }) => ({
    stdout: args[0] === 'list-units' ? 'ssh.service loaded active running OpenBSD\n' : '',
  }))
  const { changes, results, ...rest } = await openBase(host, defaultLayout).ensure('present')
  t.equal(changes.length, 8)
  t.ok(results.every(({ changed, error }) => changed && error === undefined))
  t.strictSame(rest, { changed: true, warnings: [], steps: [] })
  t.strictSame(host.commands.at(-1), ['/usr/bin/systemctl', 'reload', 'ssh.service'])
  t.equal(await host.status(reloadMark), undefined)
})

void t.test('applyBase() reloads sshd in the next call after a failed reload', async (t) => {
  let failing = true
  const host = withSystemd(({ args }) => {
    if (args[0] === 'list-units') return { stdout: 'ssh.service loaded active running OpenBSD\n' }
    return failing ? { exitCode: 1, stderr: 'job failed' } : {}
  })
  const base = openBase(host, defaultLayout)
  const { results } = await base.ensure('present')
  t.matchOnlyStrict(results.filter(({ error }) => error !== undefined).map(shown), [
    { target: dropIn, changed: true, code: 'ACCOUNT_NOT_APPLIED', message: /reload sshd.*job failed/ },
  ])
  failing = false
  const { changes } = await base.ensure('present')
  t.strictSame(
    changes.map(({ action }) => action),
    ['reload sshd'],
  )
  t.strictSame(host.commands.at(-1), ['/usr/bin/systemctl', 'reload', 'ssh.service'])
})

void t.test('applyBase() runs nothing for a change set without changes', async (t) => {
  const host = machine(() => ({}))
  const base = openBase(host, defaultLayout)
  await base.ensure('present')
  const changeSet = base.plan('present', await base.read('present'))
  const before = host.commands.length
  t.strictSame((await applyBase(host, changeSet)).changed, false)
  t.equal(host.commands.length, before)
})

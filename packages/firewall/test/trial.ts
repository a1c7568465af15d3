import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createFakeHost } from '@puppy/host/fake'
import { firstOutput } from '@puppy/host/testing'
import t from 'tap'
import { createFakeNft } from '../src/fake.ts'
import { openFirewall } from '../src/index.ts'
import { openRollback } from '../src/trial.ts'
import { cannotRun, createLab } from './support/lab.ts'
import { settings } from './support/settings.ts'
import { changesOf } from './support/changes-of.ts'

/** Creates a host with a fake systemd that has one timer. */
function machine(booted = true) {
  let timer: readonly string[] | undefined
  const nft = createFakeNft()
  const host = createFakeHost({
    files: booted ? { '/run/systemd/system/x': '' } : {},
    programs: {
      '/usr/sbin/nft': nft.program,
      '/usr/bin/systemd-run': ({ args }) => {
        timer = args
        return {}
      },
      '/usr/bin/systemctl': ({ args: [verb] }) => {
        const armed = timer !== undefined
        if (verb === 'stop') timer = undefined
        return { exitCode: armed ? 0 : 3 }
      },
    },
  })
  const fire = async () => {
    const args = (timer ?? []).slice((timer ?? []).indexOf('--') + 1)
    timer = undefined
    await host.run(['/usr/sbin/nft', ...args.slice(1)], { touches: 'machine' })
  }
  return { host, nft, fire, timer: () => timer }
}

void t.test('systemd reverts a trial that is not confirmed', async (t) => {
  const { host, fire, timer } = machine()
  const firewall = openFirewall(host)
  t.match(await firewall.trial(settings, { seconds: 30 }), { changed: true, armed: true })
  t.strictSame(timer(), [
    '--unit=puppy-firewall-puppy-rollback',
    '--on-active=30s',
    '--timer-property=AccuracySec=100ms',
    '--collect',
    '--service-type=oneshot',
    '--property=BindReadOnlyPaths=/dev/null:/etc/passwd',
    '--',
    '/usr/sbin/nft',
    '-j',
    '-f',
    '/run/puppy-firewall/rollback-puppy.json',
  ])
  t.equal((await host.status('/run/puppy-firewall/rollback-puppy.json'))?.mode, 0o600)
  await t.rejects(firewall.trial({ ...settings, slots: [] }, { seconds: 30 }), { code: 'FIREWALL_CONFLICT' })
  await firewall.confirm()
  t.equal(timer(), undefined)
  await t.rejects(firewall.confirm(), { code: 'FIREWALL_TIMEOUT' })
  t.match(
    await firewall.trial(settings, { seconds: 30 }),
    { changed: false, armed: false },
    'no difference, so no trial',
  )

  const other = { ...settings, callers: [0] }
  await firewall.trial(other, { seconds: 30 })
  await fire()
  t.strictSame(await changesOf(firewall, settings), [], 'the previous table is restored')
  await t.rejects(firewall.confirm(), { code: 'FIREWALL_TIMEOUT', message: /was already restored/ })
})

void t.test('remove() ends a pending trial, which would load the table again', async (t) => {
  const { host, timer } = machine()
  const firewall = openFirewall(host)
  await firewall.ensure(settings)
  await firewall.trial({ ...settings, callers: [0] }, { seconds: 30 })
  t.ok(timer())
  t.strictSame(await firewall.remove(), { changed: true })
  t.equal(timer(), undefined)
  t.equal(await host.status('/run/puppy-firewall/rollback-puppy.json'), undefined)
  t.strictSame(await firewall.remove(), { changed: false })
})

void t.test('trial() stays armed after an error, unless nft refused the table', async (t) => {
  const { host, fire, timer } = machine()
  let listings = 0
  const garbled: typeof host.run = async (command, options) => {
    const ended = await host.run(command, options)
    if (command.includes('list')) listings += 1
    return command.includes('list') && listings > 1 ? { ...ended, stdout: '{}' } : ended
  }
  const unread = openFirewall({ ...host, run: garbled }).trial(settings, { seconds: 30 })
  await t.rejects(unread, { code: 'FIREWALL_UNREADABLE' })
  t.ok(timer(), 'it is unknown what was loaded')
  await fire()
  t.equal(await openFirewall(host).read(), undefined, 'the previous state is restored')

  const refusing: typeof host.run = (command, options) =>
    host.run(command.includes('-f') ? [command[0], '-j', '-f', '/no/such/file'] : command, options)
  const refused = openFirewall({ ...host, run: refusing }).trial(settings, { seconds: 30 })
  await t.rejects(refused, { code: 'FIREWALL_REFUSED' })
  t.equal(timer(), undefined)
})

void t.test('trial() refuses a host without systemd, unless unattended is set', async (t) => {
  const { host } = machine(false)
  const firewall = openFirewall(host)
  await t.rejects(firewall.trial(settings, { seconds: 30 }), { code: 'FIREWALL_UNATTENDED' })
  t.equal(await firewall.read(), undefined, 'nothing was loaded')
  t.match(await firewall.trial(settings, { seconds: 30, unattended: true }), { changed: true, armed: false })
})

void t.test('arm() refuses seconds that are not a whole number from 1 to 86400', async (t) => {
  const rollback = openRollback(machine().host, { table: 'x', folder: '/run/x', nft: () => ['/usr/sbin/nft'] })
  for (const seconds of [0, -1, 1.5, Number.NaN, 86_401]) {
    await t.rejects(rollback.arm(undefined, { seconds }), { code: 'FIREWALL_INVALID' })
  }
})

void t.test('a trial that cuts off all users is reverted, also after SIGKILL', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  await lab.firewall.ensure(settings)
  const folder = t.testdir({
    // Replaces systemd here: an orphaned process waits and runs the command.
    'systemd-run':
      '#!/bin/sh\nwhile [ "$1" != -- ]; do case $1 in --on-active=*) n=${1#--on-active=};; esac; shift; done; shift\n(sleep "${n%s}"; exec "$@") </dev/null >/dev/null 2>&1 &\n',
    systemctl: '#!/bin/sh\nexit 3\n',
    run: {},
  })
  for (const name of ['systemd-run', 'systemctl']) await chmod(`${folder}/${name}`, 0o755)
  const script = fileURLToPath(new URL('support/try-and-die.ts', import.meta.url))
  const child = spawn(process.execPath, ['--no-warnings', script, lab.netns, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await firstOutput(child)
  t.ok((await changesOf(lab.firewall, settings)).length > 0, 'the trial is in force')
  child.kill('SIGKILL')
  await once(child, 'close')
  const until = Date.now() + 8000
  while ((await changesOf(lab.firewall, settings)).length > 0 && Date.now() < until) await sleep(100)
  t.strictSame(await changesOf(lab.firewall, settings), [], 'the previous table is restored')
})

import { chownSync, symlinkSync } from 'node:fs'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { readBase } from '../../src/base/read.ts'
import { defaultLayout } from '../../src/slots.ts'
import { scratch, whyNot } from '../support/scratch.ts'

const include = 'Include /etc/ssh/sshd_config.d/*.conf\n'

void t.test('readBase() below a root reads its files and runs no sshd', { skip: whyNot() }, async (t) => {
  const { host, layout } = scratch(t, 0, { ssh: { sshd_config: include } } as never)
  await host.makeFolder('/etc/puppy', { mode: 0o711 })
  await host.makeFolder('/etc/puppy/keys', { mode: 0o711 })
  await host.replace('/etc/puppy/keys/p10000', 'k')
  await host.makeFolder('/etc/puppy/env', { mode: 0o700 })
  await host.makeFolder('/etc/profile.d')
  await host.replace('/etc/profile.d/puppy.sh', 'text', { mode: 0o640 })
  await host.replace('/etc/puppy/sshd-reload', '')
  await host.makeFolder('/etc/systemd/user-environment-generators')
  symlinkSync('/dev/null', host.path('/etc/systemd/user-environment-generators/50-puppy'))
  t.strictSame(await readBase(host, layout), {
    layout,
    live: false,
    systemd: false,
    sshd: { config: include, usePam: true },
    reloadPending: false,
    folders: new Map([
      ['/etc/puppy', { right: true, names: ['env', 'keys', 'sshd-reload'] }],
      ['/etc/puppy/keys', { right: true, names: ['p10000'] }],
      ['/etc/puppy/env', { right: false, names: [] }],
    ]),
    files: new Map([
      ['/etc/profile.d/puppy.sh', { mode: 0o640, text: 'text' }],
      ['/etc/systemd/user-environment-generators/50-puppy', { mode: 0o777 }],
    ]),
  })
  chownSync(host.path('/etc/profile.d/puppy.sh'), 10_000, 0)
  const { files } = await readBase(host, layout)
  t.strictSame(files.get('/etc/profile.d/puppy.sh'), { mode: 0o640 }, 'the text of a file of another user is not read')
})

const machine = (sshd: (args: readonly string[]) => { exitCode?: number; stdout?: string; stderr?: string }) =>
  createFakeHost({
    files: { '/etc/ssh/sshd_config': include, '/etc/puppy/sshd-reload': '', '/run/systemd/system/x': '' },
    programs: { '/usr/sbin/sshd': ({ args }) => sshd(args) },
  })

void t.test('readBase() checks the configuration of sshd and reads UsePAM', async (t) => {
  const host = machine((args) => ({ stdout: args[0] === '-T' ? 'port 22\nusepam no\n' : '' }))
  const { sshd, systemd, live, reloadPending } = await readBase(host, defaultLayout)
  t.strictSame([sshd, systemd, live, reloadPending], [{ config: include, usePam: false }, true, true, true])
  const refusing = await readBase(
    machine(() => ({ exitCode: 255, stderr: 'bad line' })),
    defaultLayout,
  )
  t.strictSame(refusing.sshd, { config: include, refusal: 'bad line', usePam: true })
})

void t.test('readBase() finds no sshd on a machine without its program', async (t) => {
  const host = createFakeHost({ files: { '/etc/ssh/sshd_config': include } })
  t.equal((await readBase(host, defaultLayout)).sshd, undefined)
})

import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createHost } from '@puppy/host'
import fc from 'fast-check'
import t from 'tap'
import { includesDropIns, renderGenerator, renderProfile, renderSshd } from '../../src/base/texts.ts'
import { whyNot } from '../support/scratch.ts'

const skip = whyNot('sshd', 'ssh-keygen', 'unshare', 'mount')

/** sshd needs its folder in /run even for a check. It gets one in its own mount namespace. */
const check = `mount -t tmpfs none /run && mkdir -m 0755 /run/sshd && exec "$0" "$@"`

void t.test('renderSshd() is accepted by sshd and applies only to the group', { skip }, (t) => {
  const folder = t.testdir()
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${folder}/key`])
  // Uses the group of the user `nobody` instead of that of the tenants, because sshd looks up the user on the machine.
  const group = execFileSync('id', ['-gn', 'nobody'], { encoding: 'utf8' }).trim()
  writeFileSync(`${folder}/drop-in.conf`, renderSshd({ group }))
  writeFileSync(
    `${folder}/sshd_config`,
    `Include ${folder}/drop-in.conf\nHostKey ${folder}/key\nPasswordAuthentication yes\n`,
  )
  const ask = (user: string) => {
    const words = ['-T', '-f', `${folder}/sshd_config`, '-C', `user=${user},host=localhost,addr=127.0.0.1`]
    return spawnSync('unshare', ['--mount', '/bin/sh', '-c', check, createHost().program('sshd')!, ...words], {
      encoding: 'utf8',
    })
  }
  const tenant = ask('nobody')
  if (/unshare|mount:/.test(tenant.stderr)) {
    t.pass('no mount namespace', { skip: 'no mount namespace here' })
    t.end()
    return
  }
  t.equal(tenant.status, 0, tenant.stderr)
  t.match(tenant.stdout, /^authorizedkeysfile \/etc\/puppy\/keys\/%u$/m)
  t.match(tenant.stdout, /^passwordauthentication no$/m)
  const root = ask('root')
  t.match(root.stdout, /^authorizedkeysfile \.ssh\/authorized_keys/m)
  t.match(root.stdout, /^passwordauthentication yes$/m)
  t.end()
})

/** The texts with another folder instead of that of this package. */
const inFolder = (text: string, folder: string) => text.replaceAll('/etc/puppy/env', folder)

void t.test('renderProfile() exports the variables and evaluates nothing', (t) => {
  const folder = t.testdir({ p10000: 'PORT=10240\nEVIL=$(echo bad)\nA-B=1\nnothing\n=x\n1A=2\nLAST=a=b\n' })
  const script = `set -eu\n${inFolder(renderProfile(), folder)}\nenv`
  const env = execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8', env: { USER: 'p10000' } })
  t.match(env, /^PORT=10240$/m)
  t.match(env, /^EVIL=\$\(echo bad\)$/m)
  t.match(env, /^LAST=a=b$/m)
  t.notMatch(env, /PUPPY_ENV|A-B|1A/)
  t.end()
})

for (const [what, env] of [
  ['a user without a file', { USER: 'other' }],
  ['no user at all', {}],
  ['a user that is a path', { USER: '../secret' }],
] as const) {
  void t.test(`renderProfile() prints nothing for ${what}`, (t) => {
    const folder = t.testdir({ env: {}, secret: 'STOLEN=1\n' })
    const script = `set -eu\n${inFolder(renderProfile(), `${folder}/env`)}\necho "end \${STOLEN:-}"`
    const { stdout, stderr } = spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8', env: { ...env } })
    t.strictSame([stdout, stderr], ['end \n', ''])
    t.end()
  })
}

void t.test("renderGenerator() prints the user's variables, or nothing", (t) => {
  const user = execFileSync('id', ['-un'], { encoding: 'utf8' }).trim()
  const folder = t.testdir({ [user]: 'PORT=1\n' })
  const run = (path: string) => execFileSync('/bin/sh', ['-c', inFolder(renderGenerator(), path)], { encoding: 'utf8' })
  t.equal(run(folder), 'PORT=1\n')
  t.equal(run(`${folder}/none`), '')
  t.end()
})

for (const [config, expected] of [
  ['Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n', true],
  ['  include=sshd_config.d/*.conf', true],
  ['Include /a /etc/ssh/sshd_config.d/*.conf', true],
  ['#Include /etc/ssh/sshd_config.d/*.conf', false],
  ['Match User x\nInclude /etc/ssh/sshd_config.d/*.conf', false],
  ['', false],
] as const) {
  void t.test(`includesDropIns() returns ${expected} for ${JSON.stringify(config)}`, (t) => {
    t.equal(includesDropIns(config), expected)
    t.end()
  })
}

void t.test('includesDropIns() accepts any text', (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => typeof includesDropIns(text) === 'boolean'))
  t.end()
})

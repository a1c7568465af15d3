import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AccountError } from '@puppy/accounts'
import { createHost, type Host } from '@puppy/host'
import t from 'tap'
import { createSshKeyCheck } from '../../src/actions/ssh-keys.ts'
import { sshKey } from '../support/app.ts'
import { scratchFolder } from '../support/database.ts'
import { pointersOf } from '../support/rows.ts'

const program = '/usr/bin/ssh-keygen'
const skip = existsSync(program) ? false : 'needs ssh-keygen'

/** The real host, and how often it ran a program. */
function countingHost() {
  const host = createHost()
  const counted = { runs: 0 }
  const counting: Host = {
    ...host,
    run: (...args) => {
      counted.runs += 1
      return host.run(...args)
    },
  }
  return { host: counting, counted }
}

function makeKeys(t: Parameters<typeof scratchFolder>[0], count: number): readonly string[] {
  const folder = scratchFolder(t)
  return Array.from({ length: count }, (_, index) => {
    const path = join(folder, `key${index}`)
    execFileSync(program, ['-q', '-t', 'ed25519', '-N', '', '-C', `key ${index}`, '-f', path])
    return readFileSync(`${path}.pub`, 'utf8').trim()
  })
}

void t.test('createSshKeyCheck() shares one run among requests that come together', { skip }, async (t) => {
  const { host, counted } = countingHost()
  const check = createSshKeyCheck(host)
  const keys = makeKeys(t, 5)
  await Promise.all(keys.map((key) => check([key, sshKey])))
  t.equal(counted.runs, 1)
})

void t.test('createSshKeyCheck() gives requests that come during a run the next one together', { skip }, async (t) => {
  const { host, counted } = countingHost()
  const [first = '', ...others] = makeKeys(t, 5)
  const later: Promise<void>[] = []
  const check = createSshKeyCheck({
    ...host,
    run: (...args) => {
      if (later.length === 0) later.push(...others.map((key) => check([key])))
      return host.run(...args)
    },
  })
  await check([first])
  await Promise.all(later)
  t.equal(later.length, 4)
  t.equal(counted.runs, 2)
})

void t.test('createSshKeyCheck() asks about a good key once, and about a bad one every time', { skip }, async (t) => {
  const { host, counted } = countingHost()
  const check = createSshKeyCheck(host)
  const [key = ''] = makeKeys(t, 1)
  await check([key])
  await check([key])
  await check([])
  t.equal(counted.runs, 1)
  await t.rejects(check([key, 'ssh-ed25519 AAAA']), { code: 'ssh_key_invalid' })
  await t.rejects(check([key, 'ssh-ed25519 AAAA']), { code: 'ssh_key_invalid' }, 'it did not become good')
})

void t.test('createSshKeyCheck() points at each bad key, and at no good one', { skip }, async (t) => {
  const check = createSshKeyCheck(createHost())
  const [key = ''] = makeKeys(t, 1)
  await check([sshKey])
  const bad = ['', 'ssh-ed25519 AAAA', `${key}\n${key}`, `command="id" ${key}`]
  const refused = check([sshKey, bad[0] ?? '', key, ...bad.slice(1)])
  t.strictSame(
    pointersOf(await t.rejects(refused, { code: 'ssh_key_invalid' })),
    [1, 3, 4, 5].map((index) => `/sshKeys/${index}`),
  )
})

void t.test('createSshKeyCheck() lets a bad key of one request spoil no other', { skip }, async (t) => {
  const { host, counted } = countingHost()
  const check = createSshKeyCheck(host)
  const answers = await Promise.allSettled([check([sshKey]), check(['ssh-ed25519 AAAA']), check([sshKey])])
  t.strictSame(
    answers.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  t.equal(counted.runs, 1)
})

void t.test('createSshKeyCheck() works again after a run that failed', { skip }, async (t) => {
  const { host } = countingHost()
  let broken = true
  const check = createSshKeyCheck({ ...host, program: (name) => (broken ? undefined : host.program(name)) })
  const both = await Promise.allSettled([check([sshKey]), check([sshKey])])
  t.strictSame(
    both.map((one) => (one.status === 'rejected' ? (one.reason as AccountError).code : one.status)),
    ['ACCOUNT_PROGRAM_MISSING', 'ACCOUNT_PROGRAM_MISSING'],
  )
  broken = false
  await t.resolves(check([sshKey]))
})

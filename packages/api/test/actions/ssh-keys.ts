import { matchWhole } from '@puppy/host/testing'
import type { ApiError } from '../../src/errors.ts'
import { sshKey } from '@puppy/state/testing'
import t from 'tap'
import { assertSshKeys } from '../../src/actions/ssh-keys.ts'

void t.test('assertSshKeys() accepts valid keys and an empty list', (t) => {
  t.doesNotThrow(() => assertSshKeys([]))
  t.doesNotThrow(() => assertSshKeys([sshKey, `${sshKey} of another machine`, sshKey]))
  t.end()
})

void t.test('assertSshKeys() points at each invalid key with its reason, and at no valid key', (t) => {
  const bad = ['', 'ssh-ed25519 AAAA', `${sshKey}\n${sshKey}`, `command="id" ${sshKey}`]
  const error = t.throws(() => assertSshKeys([sshKey, bad[0] ?? '', sshKey, ...bad.slice(1)]), {
    code: 'ssh_key_invalid',
  })
  matchWhole(t, (error as ApiError).faults, [
    { pointer: '/sshKeys/1', detail: /type base64 comment/ },
    { pointer: '/sshKeys/3', detail: /cut off/ },
    { pointer: '/sshKeys/4', detail: /line break/ },
    { pointer: '/sshKeys/5', detail: /options/ },
  ])
  t.end()
})

void t.test('assertSshKeys() refuses keys that are too long together', (t) => {
  const long = `${sshKey} ${'c'.repeat(15_000)}`
  const error = t.throws(() => assertSshKeys(Array.from({ length: 20 }, (_, n) => `${long}${n}`)), {
    code: 'ssh_key_invalid',
  })
  matchWhole(t, (error as ApiError).faults, [
    { pointer: '/sshKeys', detail: 'The keys have together more than 163840 bytes.' },
  ])
  t.end()
})

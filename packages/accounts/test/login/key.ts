import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createHost } from '@puppy/host'
import fc from 'fast-check'
import t from 'tap'
import { AccountError } from '../../src/errors.ts'
import { parseKey, renderKey } from '../../src/login/key.ts'
import { someKey } from '../support/scratch.ts'

const keygen = createHost().program('ssh-keygen')
const field = (bytes: Buffer | string) => {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, Buffer.from(bytes)])
}
const line = (type: string, ...fields: (Buffer | string)[]) =>
  `${type} ${Buffer.concat([field(type), ...fields.map(field)]).toString('base64')}`
const blob = someKey.split(' ')[1]!
const modulus = (bits: number) => Buffer.concat([Buffer.from([0, 0x80]), Buffer.alloc(bits / 8 - 1, 1)])

for (const [kind, bits] of [
  ['ed25519', 256],
  ['ecdsa', 256],
  ['ecdsa', 384],
  ['ecdsa', 521],
  ['rsa', 2048],
] as const) {
  const title = `parseKey() agrees with ssh-keygen about ${kind} of ${bits} bits`
  void t.test(title, { skip: keygen === undefined && 'ssh-keygen is not installed' }, (t) => {
    const file = `${t.testdir()}/key`
    execFileSync(keygen!, ['-q', '-t', kind, '-b', `${bits}`, '-N', '', '-C', 'a comment', '-f', file])
    const text = readFileSync(`${file}.pub`, 'utf8').trim()
    const key = parseKey(text)
    const said = execFileSync(keygen!, ['-l', '-f', `${file}.pub`], { encoding: 'utf8' })
    t.ok(said.startsWith(`${key.bits} ${key.fingerprint} a comment`), said)
    t.equal(key.comment, 'a comment')
    t.equal(renderKey(key), text)
    t.end()
  })
}

void t.test('parseKey() takes security keys and a key without comment', (t) => {
  t.match(parseKey(line('sk-ssh-ed25519@openssh.com', Buffer.alloc(32), 'ssh:')), { bits: 256, comment: '' })
  const point = Buffer.alloc(65, 4)
  t.match(parseKey(line('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', point, 'ssh:')), { bits: 256 })
  t.equal(renderKey(parseKey(`  ${someKey}   anna  b `)), `${someKey} anna  b`)
  t.end()
})

const bad: readonly (readonly [string, string, RegExp])[] = [
  ['nothing', '', /form/],
  ['one word', 'ssh-ed25519', /form/],
  ['options', `command="id" ${someKey}`, /options/],
  ['an option that looks harmless', `restrict ${someKey}`, /options/],
  ['a second line', `${someKey}\n${someKey}`, /line break/],
  ['a carriage return', `${someKey}\r`, /line break/],
  ['a tab', someKey.replace(' ', '\t'), /control/],
  ['a NUL', `${someKey} a\0b`, /control/],
  ['a line separator', `${someKey} a\u2028b`, /control/],
  ['DSA', `ssh-dss ${blob}`, /DSA/],
  ['a certificate', `ssh-ed25519-cert-v01@openssh.com ${blob}`, /certificate/],
  ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----', /\.pub|form/],
  ['an unknown type', `toString ${blob}`, /known key type/],
  ['another type inside', `ssh-rsa ${blob}`, /not of the type/],
  ['what is not base64', `${someKey}!`, /base64/],
  ['base64 without its padding', line('ssh-rsa', 'a').replace(/=+$/, ''), /base64|damaged/],
  ['a key that is cut off', someKey.slice(0, -4), /cut off/],
  ['a field that claims too much', 'ssh-ed25519 /////w==', /cut off/],
  ['an ed25519 key that is too short', line('ssh-ed25519', Buffer.alloc(31)), /damaged/],
  ['an ed25519 key with something behind', line('ssh-ed25519', Buffer.alloc(32), 'x'), /damaged/],
  ['a point on another curve', line('ecdsa-sha2-nistp256', 'nistp384', Buffer.alloc(97, 4)), /damaged/],
  ['a point that is compressed', line('ecdsa-sha2-nistp256', 'nistp256', Buffer.alloc(65, 2)), /damaged/],
  [
    'a security key without application',
    line('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', Buffer.alloc(65, 4)),
    /damaged/,
  ],
  ['RSA with 1,024 bits', line('ssh-rsa', Buffer.from([1, 0, 1]), modulus(1024)), /1024 bits/],
  ['RSA with a negative modulus', line('ssh-rsa', Buffer.from([3]), Buffer.alloc(256, 0xff)), /damaged/],
  ['RSA with no modulus', line('ssh-rsa', Buffer.from([3])), /damaged/],
  ['RSA that is all zeros', line('ssh-rsa', Buffer.from([3]), Buffer.alloc(256)), /damaged/],
  ['more than 16 KiB', `${someKey} ${'x'.repeat(16_384)}`, /16 KiB/],
]
for (const [what, text, why] of bad) {
  void t.test(`parseKey() refuses ${what}`, (t) => {
    t.throws(() => parseKey(text), { code: 'ACCOUNT_KEY_INVALID', message: why })
    t.end()
  })
}

void t.test('parseKey() throws nothing but its own error', (t) => {
  const blobs = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('base64'))
  const lines = fc
    .tuple(fc.constantFrom('ssh-rsa', 'ssh-ed25519', 'ecdsa-sha2-nistp256'), blobs)
    .map((words) => words.join(' '))
  const inner = fc.tuple(fc.constantFrom('ssh-rsa', 'ecdsa-sha2-nistp256'), fc.array(fc.uint8Array({ maxLength: 300 })))
  const whole = inner.map(([type, fields]) => line(type, ...fields.map((bytes) => Buffer.from(bytes))))
  fc.assert(
    fc.property(fc.oneof(lines, whole, fc.string({ unit: 'binary' })), (text) => {
      try {
        const key = parseKey(text)
        return parseKey(renderKey(key)).fingerprint === key.fingerprint && !renderKey(key).includes('\n')
      } catch (error) {
        return error instanceof AccountError && error.code === 'ACCOUNT_KEY_INVALID'
      }
    }),
  )
  t.end()
})

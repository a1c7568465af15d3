import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { AccountError } from '../../src/errors.ts'
import { parseKey, parseKeys, renderKey } from '../../src/login/key.ts'
import { keyLimits, keysFault } from '../../src/login/keys-fault.ts'
import { askKeygen, bytesOf, field, keygen, line, realKeys, skip } from '../support/keys.ts'
import { someKey } from '../support/scratch.ts'

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
  void t.test(title, { skip }, (t) => {
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

void t.test('parseKey() accepts security keys and a key without comment', (t) => {
  t.match(parseKey(line('sk-ssh-ed25519@openssh.com', Buffer.alloc(32), 'ssh:')), { bits: 256, comment: '' })
  t.strictSame(
    realKeys.filter((text) => text.startsWith('sk-')).map((text) => parseKey(text).comment),
    ['sk-ecdsa-sha2-nistp256', 'sk-ssh-ed25519'],
  )
  t.equal(renderKey(parseKey(`  ${someKey}   anna  b `)), `${someKey} anna  b`)
  t.end()
})

const bad: readonly (readonly [string, string, RegExp])[] = [
  ['nothing', '', /form/],
  ['one word', 'ssh-ed25519', /form/],
  ['options', `command="id" ${someKey}`, /options/],
  ['a harmless option', `restrict ${someKey}`, /options/],
  ['a second line', `${someKey}\n${someKey}`, /line break/],
  ['a carriage return', `${someKey}\r`, /line break/],
  ['a tab', someKey.replace(' ', '\t'), /control/],
  ['a NUL', `${someKey} a\0b`, /control/],
  ['a line separator', `${someKey} a\u2028b`, /control/],
  ['DSA', `ssh-dss ${blob}`, /DSA/],
  ['a certificate', `ssh-ed25519-cert-v01@openssh.com ${blob}`, /certificate/],
  ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----', /\.pub|form/],
  ['an unknown type', `toString ${blob}`, /accepted key type/],
  ['another type inside', `ssh-rsa ${blob}`, /not a key of type/],
  ['text that is not base64', `${someKey}!`, /base64/],
  ['base64 without its padding', line('ssh-rsa', 'a').replace(/=+$/, ''), /base64|damaged/],
  ['a key that is cut off', someKey.slice(0, -4), /cut off/],
  ['a field that is longer than the blob', 'ssh-ed25519 /////w==', /cut off/],
  ['an ed25519 key that is too short', line('ssh-ed25519', Buffer.alloc(31)), /damaged/],
  ['an ed25519 key with an extra field', line('ssh-ed25519', Buffer.alloc(32), 'x'), /damaged/],
  [
    'a point that is not on the curve',
    line('ecdsa-sha2-nistp256', 'nistp256', Buffer.alloc(65, 4)),
    /not on the curve/,
  ],
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
  ['RSA with an empty modulus', line('ssh-rsa', Buffer.from([3]), Buffer.alloc(0)), /0 bits/],
  ['RSA that is all zeros', line('ssh-rsa', Buffer.from([3]), Buffer.alloc(256)), /damaged/],
  ['more than 16 KiB', `${someKey} ${'x'.repeat(16_384)}`, /16 KiB/],
  ['a comment over 1 KiB', `${someKey} ${'ä'.repeat(513)}`, /comment is longer than 1 KiB/],
  ['half of a surrogate pair', `${someKey} a\ud800`, /surrogate/],
]
for (const [what, text, why] of bad) {
  void t.test(`parseKey() refuses ${what}`, (t) => {
    t.throws(() => parseKey(text), { code: 'ACCOUNT_KEY_INVALID', message: why })
    t.end()
  })
}

void t.test('parseKey() accepts a comment of 1 KiB, and blanks do not count', (t) => {
  const comment = 'x'.repeat(keyLimits.comment)
  t.equal(parseKey(`${someKey} ${comment}${' '.repeat(9000)}`).comment, comment)
  t.end()
})

void t.test('parseKey() takes time in proportion to the length', (t) => {
  const blanks = ' '.repeat(15_900)
  const hostile = [
    ...['', 'a', 'a b', ...someKey.split(' ')].flatMap((word) => [`${word}${blanks}`, `${blanks}${word}${blanks}a`]),
    `${someKey} a${blanks}b`,
    `${someKey} ${'a '.repeat(7900)}`,
    `ssh-rsa ${'='.repeat(15_900)}`,
    `ssh-rsa ${'A'.repeat(15_900)}`,
    'a '.repeat(7900),
  ]
  const started = performance.now()
  // With a quadratic expression, one of them takes 200 ms.
  for (const text of hostile) {
    for (let n = 0; n < 10; n += 1) {
      try {
        parseKey(text)
      } catch (error) {
        t.equal((error as AccountError).code, 'ACCOUNT_KEY_INVALID')
      }
    }
  }
  t.ok(performance.now() - started < 2000, 'a hundred hostile lines take less than two seconds')
  t.end()
})

void t.test('parseKeys() limits the number of keys and their sum, before it parses one', (t) => {
  const most = Array.from({ length: keyLimits.keys }, () => someKey)
  t.strictSame(parseKeys(most).length, keyLimits.keys)
  t.equal(keysFault(most), undefined)
  t.throws(() => parseKeys([...most, 'nonsense']), {
    code: 'ACCOUNT_KEY_INVALID',
    message: /the keys are more than 100; remove/,
  })
  const long = 'x'.repeat(keyLimits.line)
  t.equal(keysFault(Array(10).fill(long)), undefined)
  t.throws(() => parseKeys(Array(11).fill(long)), {
    code: 'ACCOUNT_KEY_INVALID',
    message: /together more than 163840 bytes; remove/,
  })
  t.end()
})

void t.test('parseKey() throws only ACCOUNT_KEY_INVALID', (t) => {
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

const fieldsOf = (bytes: Buffer): readonly Buffer[] => {
  const fields: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 4 + bytes.readUInt32BE(at))
    fields.push(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at)))
  return fields
}
const flip = (bytes: Buffer, at: number) =>
  Buffer.from(bytes.map((byte, index) => byte ^ (index === at >> 3 ? 1 << (at & 7) : 0)))

/** Functions that damage bytes at a position. */
const damages: readonly ((bytes: Buffer, at: number) => Buffer)[] = [
  (bytes, at) => flip(bytes, at % (bytes.length * 8)),
  (bytes, at) => flip(flip(bytes, at % (bytes.length * 8)), (at * 7) % (bytes.length * 8)),
  (bytes, at) => flip(bytes, at % 16),
  (bytes) => flip(bytes, bytes.length * 8 - 8),
  (bytes) => Buffer.concat([Buffer.of(0), bytes]),
  (bytes) => bytes.subarray(1),
  (bytes, at) => bytes.subarray(0, at % bytes.length),
  (bytes, at) => Buffer.concat([bytes, Buffer.of(at % 256)]),
  (bytes, at) =>
    Buffer.concat([Buffer.from(bytes.subarray(0, at % bytes.length)), Buffer.of(0), bytes.subarray(at % bytes.length)]),
  (bytes) => Buffer.alloc(bytes.length),
  (bytes) => Buffer.alloc(bytes.length, 0xff),
  () => Buffer.of(1),
  () => Buffer.alloc(0),
]

/** Real keys with one fault: in a field (its length is adjusted), in the whole blob, in the order of the fields, or in the type. */
const mutations = fc
  .record({
    key: fc.constantFrom(...realKeys),
    damage: fc.constantFrom(...damages),
    what: fc.constantFrom('field', 'field', 'field', 'blob', 'order', 'type'),
    which: fc.nat(10),
    at: fc.nat(100_000),
    type: fc.constantFrom(...realKeys).map((text) => text.split(' ')[0] ?? ''),
  })
  .map(({ key, damage, what, which, at, type }) => {
    const bytes = bytesOf(key)
    const fields = [...fieldsOf(bytes)]
    const index = which % fields.length
    if (what === 'type') return `${type} ${bytes.toString('base64')}`
    if (what === 'order')
      fields.splice(index, at % 2, ...(which % 2 === 0 ? [fields[at % fields.length] ?? bytes] : []))
    if (what === 'field') fields[index] = damage(fields[index] ?? bytes, at)
    const blob = what === 'blob' ? damage(bytes, at) : Buffer.concat(fields.map(field))
    return `${key.split(' ')[0]} ${blob.toString('base64')}`
  })

/** The reasons for which parseKey refuses a key that ssh-keygen accepts. */
const stricter = /is too weak|are not those of a valid key/

const withoutComment = (text: string) => text.split(' ').slice(0, 2).join(' ')

function verdictOn(text: string): { readonly bits: number | undefined; readonly why: string } {
  try {
    return { bits: parseKey(text).bits, why: 'accepted' }
  } catch (error) {
    if (error instanceof AccountError) return { bits: undefined, why: error.message }
    throw error
  }
}

void t.test('parseKey() and ssh-keygen agree about real keys that were damaged', { skip }, (t) => {
  const lines = [...new Set(fc.sample(mutations, { numRuns: 800, seed: 14 })), ...realKeys.map(withoutComment)]
  const answers = askKeygen(lines)
  const counts = { both: 0, neither: 0, stricter: 0 }
  for (const [index, bits] of answers.entries()) {
    const verdict = verdictOn(lines[index] ?? '')
    if (verdict.bits === undefined && stricter.test(verdict.why)) {
      counts.stricter += 1
      continue
    }
    t.equal(verdict.bits, bits, `${verdict.why}: ${lines[index]}`)
    counts[bits === undefined ? 'neither' : 'both'] += 1
  }
  t.notOk(answers.slice(-realKeys.length).includes(undefined), 'ssh-keygen came to the end')
  t.comment(JSON.stringify(counts))
  for (const [what, least] of [
    ['both', 60],
    ['neither', 300],
    ['stricter', 10],
  ] as const)
    t.ok(counts[what] >= least, `${counts[what]} ${what}`)
  t.end()
})

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  encodeCliPayload,
  encodeCliWord,
  encodeCrtListRow,
  encodeLogFormat,
  encodeMapRow,
  encodeWord,
  maxPayload,
} from '../src/encode.ts'
import { HaproxyError } from '../src/errors.ts'
import { parseMapFile } from '../src/routes/map-file.ts'
import { get, skip, testFolder, testProxy } from './support/proxy.ts'

const refused = { code: 'HAPROXY_NOT_ENCODABLE' }
const hostile = [
  "it's",
  '"; x',
  '\\',
  '\\n',
  '# no comment',
  '${HOME}',
  '"$HOME"',
  '%[env(HOME)]',
  '100%',
  'a b  c',
  "'''",
  "\\'",
  '\t',
  'é☃',
  '{ if TRUE }',
  '(a,b)',
  '',
]

void t.test('every encoder refuses NUL, CR, LF and half a surrogate pair', async (t) => {
  const encoders = [
    encodeWord,
    encodeLogFormat,
    encodeCrtListRow,
    encodeCliWord,
    (text: string) => encodeMapRow(text, 'v'),
    (text: string) => encodeMapRow('k', text),
    (text: string) => encodeCliPayload([text]),
  ]
  for (const encode of encoders)
    for (const bad of ['a\0', 'a\rb', '\n', 'a\nb', '\ud800']) t.throws(() => encode(bad), refused)
})

const rows: [title: string, attempt: () => unknown][] = [
  ['encodeMapRow() an empty key', () => encodeMapRow('', 'v')],
  ['encodeMapRow() a space in a key', () => encodeMapRow('a b', 'v')],
  ['encodeMapRow() a key that begins a comment', () => encodeMapRow('#a', 'v')],
  ['encodeMapRow() an empty value', () => encodeMapRow('a', '')],
  ['encodeMapRow() a space before a value', () => encodeMapRow('a', ' v')],
  ['encodeMapRow() a tab after a value', () => encodeMapRow('a', 'v\t')],
  ['encodeCrtListRow() a space', () => encodeCrtListRow('/a b.pem')],
  ['encodeCrtListRow() a bracket', () => encodeCrtListRow('/a[x].pem')],
  ['encodeCrtListRow() a comment', () => encodeCrtListRow('#a.pem')],
  ['encodeCrtListRow() an empty path', () => encodeCrtListRow('')],
  ['encodeCliWord() an empty word', () => encodeCliWord('')],
  ['encodeCliWord() a payload', () => encodeCliWord('a<<b')],
  ['encodeCliPayload() a blank line', () => encodeCliPayload(['a 1', '  ', 'show version'])],
  ['encodeCliPayload() a row that is too long', () => encodeCliPayload(['a'.repeat(maxPayload)])],
]
for (const [title, attempt] of rows) {
  void t.test(`${title} is refused`, async (t) => {
    t.throws(attempt, refused)
  })
}

void t.test('encodeCliPayload() splits between rows and keeps every row', async (t) => {
  const row = fc.stringMatching(/^[a-z]{1,300} [0-9]{1,5}$/)
  fc.assert(
    fc.property(fc.array(row, { maxLength: 500 }), (lines) => {
      const payloads = encodeCliPayload(lines)
      t.ok(payloads.every((payload) => Buffer.byteLength(payload) <= maxPayload && !payload.includes('\n\n')))
      t.equal(payloads.join(''), lines.map((line) => `${line}\n`).join(''))
    }),
    { numRuns: 30 },
  )
})

void t.test('parseMapFile() returns what encodeMapRow() encoded', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (key, value) => {
      const row = orRefused(() => encodeMapRow(key, value))
      if (row === undefined) return
      // HAProxy knows no Unicode white space, but our own parser does.
      if (/\s/.test(key) || value.trim() !== value) return
      t.strictSame(parseMapFile(`${row}\n`), [{ key, value }])
    }),
  )
})

/** HAProxy sends the encoded word as the body of an answer, and the test fetches it. */
void t.test('encodeWord() makes HAProxy read the original text', { skip }, async (t) => {
  const words = [...hostile, ...sample(fc.string({ unit: 'binary', maxLength: 60 }), 60)].filter(
    isEncodable(encodeWord),
  )
  await answersAre(t, words, (word) => `string ${encodeWord(word)}`)
})

void t.test('encodeLogFormat() makes HAProxy read the original text and evaluate nothing', { skip }, async (t) => {
  const words = [...hostile, ...sample(fc.string({ unit: 'binary', maxLength: 60 }), 60)].filter(
    isEncodable(encodeLogFormat),
  )
  await answersAre(t, words, (word) => `lf-string ${encodeLogFormat(word)}`)
})

void t.test('encodeWord() returns one word for any text: haproxy -c accepts it', { skip }, async (t) => {
  const words = sample(fc.string({ unit: 'binary', maxLength: 200 }), 300).filter(isEncodable(encodeWord))
  const lines = words.map(
    (word, index) => `  http-request set-header x-${index} str() if { path ${encodeWord(`/${word}`)} }`,
  )
  const { status, stderr } = check(testFolder(t), lines)
  t.equal(status, 0, stderr)
})

void t.test(
  'haproxy -c takes the text after a newline for another directive, so encodeWord() refuses newlines',
  { skip },
  async (t) => {
    const { status } = check(testFolder(t), ["  http-request set-header x 'a'\n  http-request deny"])
    t.equal(status, 0)
  },
)

void t.test('encodeCliWord() makes the runtime socket read the original text', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const words = [...hostile, ...sample(fc.string({ unit: 'binary', maxLength: 30 }), 100)]
    .filter(isEncodable(encodeCliWord))
    .filter((word) => !word.startsWith('#'))
  t.ok(words.length > 0)
  for (const word of words) {
    await context.runtime.send(['add', 'map', 'hosts.map', word, '1'])
    const all = await context.runtime.send(['show', 'map', 'hosts.map'])
    t.ok(all.endsWith(` ${word} 1`), JSON.stringify(word))
    await context.runtime.send(['clear', 'map', 'hosts.map'])
  }
})

function sample(arbitrary: fc.Arbitrary<string>, count: number): readonly string[] {
  return fc.sample(arbitrary, { numRuns: count, seed: 20 })
}

function isEncodable(encode: (text: string) => string): (text: string) => boolean {
  return (text) => orRefused(() => encode(text)) !== undefined
}

function orRefused<Value>(attempt: () => Value): Value | undefined {
  try {
    return attempt()
  } catch (error) {
    if (error instanceof HaproxyError && error.code === 'HAPROXY_NOT_ENCODABLE') return undefined
    throw error
  }
}

function configOf(lines: readonly string[], more = ''): string {
  return `global\n${more}defaults\n  mode http\n  timeout client 5s\n  timeout connect 5s\n  timeout server 5s\n${lines.join('\n')}\n`
}

function check(folder: string, rules: readonly string[]): { status: number | null; stderr: string } {
  const file = `${folder}/check.cfg`
  writeFileSync(file, configOf(['frontend x', '  bind 127.0.0.1:1', ...rules]))
  const { status, stderr } = spawnSync('/usr/sbin/haproxy', ['-c', '-q', '-f', file], { encoding: 'utf8' })
  return { status, stderr }
}

async function answersAre(t: Test, words: readonly string[], option: (word: string) => string): Promise<void> {
  const { context, haproxy, port, spec } = await testProxy(t)
  await haproxy.config.ensure(spec)
  await haproxy.stop()
  const installed = await context.host.read(context.files.config)
  const rules = words.map(
    (word, index) => `  http-request return status 200 content-type x ${option(`[${word}]`)} if { path /${index} }`,
  )
  const config = (installed ?? '').replace(/^ {2}http-request set-var.txn.host.*$/m, (line) =>
    [...rules, line].join('\n'),
  )
  await context.host.replace(context.files.config, config)
  await haproxy.ensureRunning(spec)
  for (const [index, word] of words.entries()) t.equal((await get(port, 'x.test', `/${index}`)).body, `[${word}]`)
}

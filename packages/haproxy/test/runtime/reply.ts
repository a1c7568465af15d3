import fc from 'fast-check'
import t from 'tap'
import { HaproxyError } from '../../src/errors.ts'
import { parseReplies } from '../../src/runtime/reply.ts'

// haproxy 2.6.12-1+deb12u4: printf 'set severity-output number;…' | socat - haproxy.sock
const samples: [title: string, text: string, commands: number, expected: unknown[]][] = [
  ['an empty reply', '\n\n', 1, [{ text: '' }]],
  ['data', '\n0x55 a.test 10240\n0x56 b.test 10248\n\n', 1, [{ text: '0x55 a.test 10240\n0x56 b.test 10248' }]],
  ['an error', '\n[3]: Unknown map identifier.\n\n', 1, [{ severity: 3, text: 'Unknown map identifier.' }]],
  [
    'the answer to an unknown command of HAProxy 2.6',
    '\n[6]: Unknown command, but maybe one of the following ones is a better match:\n  add map\n\n',
    1,
    [{ severity: 3, text: 'Unknown command, but maybe one of the following ones is a better match:\n  add map' }],
  ],
  [
    'the answer to an unknown command of HAProxy 3.0',
    "\n[6]: Unknown command: 'bogus', but maybe one of the following ones is a better match:\n  add map\n\n",
    1,
    [{ severity: 3, text: /^Unknown command: 'bogus'/ }],
  ],
  ['information', '\n[6]: New version created: 1\n\n', 1, [{ severity: 6, text: 'New version created: 1' }]],
  [
    'several replies, of which some are errors',
    '\n\n\n[3]: Key not found.\n\n[3]: entry not found.\n\n',
    4,
    [{ text: '' }, { text: '' }, { severity: 3, text: 'Key not found.' }, { severity: 3, text: 'entry not found.' }],
  ],
]
for (const [title, text, commands, expected] of samples) {
  void t.test(`parseReplies() parses ${title}`, async (t) => {
    t.matchOnlyStrict(parseReplies(text, commands, 'ask'), expected)
  })
}

void t.test('parseReplies() refuses every beginning of a reply', async (t) => {
  for (const [title, text, commands] of samples)
    for (let end = 0; end < text.length; end++)
      t.throws(
        () => parseReplies(text.slice(0, end), commands, 'ask'),
        { code: 'HAPROXY_REPLY_INCOMPLETE' },
        `${title}, ${end} characters`,
      )
})

const broken: [title: string, text: string, commands: number, code: string][] = [
  ['an empty text', '', 1, 'HAPROXY_REPLY_INCOMPLETE'],
  ['only the first line', '\n', 1, 'HAPROXY_REPLY_INCOMPLETE'],
  ['an incomplete reply', '\n0x55 a.test 10', 1, 'HAPROXY_REPLY_INCOMPLETE'],
  ['rows that end with a whole row', '\n0x55 a.test 10240\n', 1, 'HAPROXY_REPLY_INCOMPLETE'],
  ['a reply without a start', '[3]: no\n\n', 1, 'HAPROXY_REPLY_INCOMPLETE'],
  ['too few replies', '\n\n', 2, 'HAPROXY_REPLY_INCOMPLETE'],
  ['an incomplete last reply', '\n\n[3]: Key not', 2, 'HAPROXY_REPLY_INCOMPLETE'],
  ['a last reply without its blank line', '\n\n[3]: Key not found.\n', 2, 'HAPROXY_REPLY_INCOMPLETE'],
  ['too many replies', '\n\n\n\n', 2, 'HAPROXY_REPLY_UNKNOWN'],
]
for (const [title, text, commands, code] of broken) {
  void t.test(`parseReplies() refuses ${title}`, async (t) => {
    t.throws(() => parseReplies(text, commands, 'ask'), { code, message: /^Cannot ask/ })
  })
}

void t.test('parseReplies() returns as many replies as commands for any text, or throws a HaproxyError', async (t) => {
  const text = fc.array(fc.constantFrom('\n', '[3]: no\n\n', 'a b\n', '[', 'x'), { maxLength: 12 })
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 6 }), (parts, commands) => {
      try {
        t.equal(parseReplies(parts.join(''), commands, 'ask').length, commands)
      } catch (error) {
        t.ok(error instanceof HaproxyError)
      }
    }),
    { numRuns: 500 },
  )
})

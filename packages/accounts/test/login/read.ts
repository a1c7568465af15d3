import { createHost } from '@puppy/host'
import t from 'tap'
import { readLogins } from '../../src/login/read.ts'
import { defaultLayout, slotAt } from '../../src/slots.ts'

void t.test('readLogins() reads keys, variables, linger and expiry, and leaves out missing files', async (t) => {
  const root = t.testdir({
    etc: {
      shadow: 'p10000:!*:1:::::1:\np10001:!*:1::::::\n',
      puppy: { keys: { p10000: 'k\n' }, env: { p10000: 'A=1\n' } },
    },
    var: { lib: { systemd: { linger: { p10000: '', other: '' } } } },
  })
  const slots = [0, 1].map((n) => slotAt(defaultLayout, n))
  t.strictSame(
    await readLogins(createHost({ root }), slots),
    new Map([
      ['p10000', { keys: 'k\n', environment: 'A=1\n', exposed: true, linger: true, expired: true }],
      ['p10001', { linger: false, expired: false }],
    ]),
  )
})

void t.test(
  'readLogins() returns an empty text for a file that cannot be read, and reads the other users',
  async (t) => {
    const root = t.testdir({
      etc: { puppy: { keys: { p10000: 'x'.repeat(1024 * 1024 + 1), p10001: { folder: {} }, p10002: 'k\n' }, env: {} } },
    })
    const slots = [0, 1, 2].map((n) => slotAt(defaultLayout, n))
    const none = { exposed: true as const, linger: false, expired: false }
    t.strictSame(
      await readLogins(createHost({ root }), slots),
      new Map([
        ['p10000', { keys: '', ...none }],
        ['p10001', { keys: '', ...none }],
        ['p10002', { keys: 'k\n', ...none }],
      ]),
    )
  },
)

import fc from 'fast-check'
import t from 'tap'
import { ApiError } from '../src/errors.ts'
import { decodeCursor, encodeCursor, page } from '../src/cursor.ts'
import { pointersOf } from './support/problem.ts'

const refused = { name: 'ApiError', code: 'request_invalid' }
const text = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

void t.test('decodeCursor() returns what encodeCursor() encoded', async (t) => {
  fc.assert(fc.property(fc.maxSafeInteger(), (id) => decodeCursor(encodeCursor(id), 'number') === id))
  const name = fc.stringMatching(/^[a-z0-9.-]{0,253}$/)
  fc.assert(fc.property(name, (value) => decodeCursor(encodeCursor(value), 'string') === value))
  t.equal(decodeCursor(undefined, 'number'), undefined, 'no cursor is the first page')
})

void t.test('decodeCursor() throws only its own error', async () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.jsonValue().map(text),
    fc.jsonValue().map((value) => text(['v1', value])),
  )
  fc.assert(
    fc.property(hostile, fc.constantFrom('string' as const, 'number' as const), (cursor, kind) => {
      try {
        const value = decodeCursor(cursor, kind)
        return typeof value === 'string' ? value.isWellFormed() && !value.includes('\0') : Number.isSafeInteger(value)
      } catch (error) {
        return error instanceof ApiError && error.code === 'request_invalid'
      }
    }),
    { numRuns: 2000 },
  )
})

const rows: readonly [string, string, 'string' | 'number'][] = [
  ['nonsense', 'nonsense', 'string'],
  ['an empty text', '', 'string'],
  ['a name in place of an id', encodeCursor('blog'), 'number'],
  ['an id in place of a name', encodeCursor(5), 'string'],
  ['a fractional id', text(['v1', 1.5]), 'number'],
  ['an id beyond 2^53', text(['v1', 2 ** 60]), 'number'],
  ['a name with a NUL', text(['v1', 'a\0']), 'string'],
  ['a name with an unpaired surrogate', text(['v1', '\ud800']), 'string'],
  ['another version', text(['v2', 'a']), 'string'],
  ['an additional item', text(['v1', 'a', 'b']), 'string'],
  ['an object in place of a list', text({ 0: 'v1', 1: 'a', length: 2 }), 'string'],
]
for (const [title, cursor, kind] of rows) {
  void t.test(`decodeCursor() refuses ${title}`, async (t) => {
    const error = t.throws(() => decodeCursor(cursor, kind), refused)
    t.strictSame(pointersOf(error), ['cursor'])
  })
}

void t.test('page() removes the extra row and returns the cursor of the next page', async (t) => {
  const key = (row: number) => row
  t.strictSame(page([1, 2, 3], 2, key), { data: [1, 2], nextCursor: encodeCursor(2) })
  t.strictSame(page([1, 2], 2, key), { data: [1, 2] }, 'nothing follows')
  t.strictSame(page([], 2, key), { data: [] })
})

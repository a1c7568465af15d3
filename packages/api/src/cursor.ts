import { ApiError } from './errors.ts'
import { plainPattern } from './schemas/common.ts'

const plain = new RegExp(plainPattern, 'u')

/** Encodes a position in a list: the value by which the last row of a page is sorted. */
export function encodeCursor(value: string | number): string {
  return Buffer.from(JSON.stringify(['v1', value])).toString('base64url')
}

/** Decodes a cursor. @throws ApiError `request_invalid` for a text that `encodeCursor` did not make. */
export function decodeCursor<Kind extends 'string' | 'number'>(
  cursor: string | undefined,
  kind: Kind,
): (Kind extends 'string' ? string : number) | undefined {
  if (cursor === undefined) return undefined
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
    if (
      Array.isArray(value) &&
      value.length === 2 &&
      value[0] === 'v1' &&
      typeof value[1] === kind &&
      isPlace(value[1])
    )
      return value[1]
  } catch {
    // Not JSON: refused below, like every other text that is not a cursor.
  }
  throw new ApiError(
    'request_invalid',
    'Invalid cursor. Send nextCursor of the previous page, or omit the cursor to get the first page.',
    [{ pointer: 'cursor', detail: 'must be the nextCursor of a page of this list' }],
  )
}

/** Returns whether a value is a name or an id, by which the database can sort and compare rows. */
function isPlace(value: unknown): boolean {
  return typeof value === 'string' ? plain.test(value) : Number.isSafeInteger(value)
}

/** Removes the one row that was read beyond `limit`. If it existed, returns the cursor of the next page. */
export function page<Row>(
  rows: readonly Row[],
  limit: number,
  key: (row: Row) => string | number,
): { data: readonly Row[]; nextCursor?: string } {
  const data = rows.slice(0, limit)
  const last = data.at(-1)
  return rows.length > limit && last !== undefined ? { data, nextCursor: encodeCursor(key(last)) } : { data }
}

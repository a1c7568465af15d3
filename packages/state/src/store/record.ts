import type { Database, Queryable } from '../database/pool.ts'
import { DatabaseError } from '../errors.ts'

/** An item that could not be recorded, and the reason. */
export interface Unrecorded<Item> {
  readonly item: Item
  readonly message: string
}

/** Milliseconds that an item waits for a row that another session has locked. */
const lockedFor = 100

/**
 * Records many items in one statement. If PostgreSQL refuses it, records each item in a transaction of its own, so that one item never
 * fails the others. Returns the items that were refused.
 *
 * @throws DatabaseError when the database does not answer.
 */
export async function recordEach<Item>(
  db: Database,
  items: readonly Item[],
  write: (db: Queryable, items: readonly Item[]) => Promise<unknown>,
): Promise<readonly Unrecorded<Item>[]> {
  if (items.length === 0) return []
  try {
    await write(db, items)
    return []
  } catch (error) {
    if (error instanceof DatabaseError) throw error
  }
  const unrecorded: Unrecorded<Item>[] = []
  for (const item of items) {
    try {
      await db.transaction(async (tx) => {
        await tx.query(`set local lock_timeout = ${lockedFor}`)
        await write(tx, [item])
      })
    } catch (error) {
      if (error instanceof DatabaseError) throw error
      unrecorded.push({ item, message: error instanceof Error ? error.message : String(error) })
    }
  }
  return unrecorded
}

/**
 * Records as `recordEach` does.
 *
 * @throws Error when the database refused some of the items, after all others were recorded.
 */
export async function recordOthers<Item>(
  db: Database,
  items: readonly Item[],
  write: (db: Queryable, items: readonly Item[]) => Promise<unknown>,
): Promise<void> {
  const refused = await recordEach(db, items, write)
  if (refused[0] === undefined) return
  throw new Error(`${refused.length} of ${items.length} could not be recorded: ${refused[0].message}`)
}

/** The most characters of a text that is recorded. */
const longestText = 10_000

/**
 * Renders JSON that PostgreSQL accepts as `jsonb`. Replaces NUL and lone surrogates, which `jsonb` refuses, by U+FFFD, and shortens texts
 * to 10,000 characters. Pure.
 */
export function renderJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'string' ? storable(part) : part))
}

function storable(text: string): string {
  return text.slice(0, longestText).toWellFormed().replaceAll('\0', '\uFFFD')
}

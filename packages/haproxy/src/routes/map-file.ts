import { encodeMapRow } from '../encode.ts'
import type { MapRow } from '../runtime/maps.ts'

/** The maps: `hosts` has a row for each domain, `suspended` one for each suspended slot. */
export type MapName = 'hosts' | 'suspended'

/**
 * Parses a map file as HAProxy does: ignores blank lines, lines that begin with `#`, and white space around the two words.
 * A row without a value has the value `''`. Never throws.
 *
 * @see HAProxy configuration manual, 7.3.1 "map"
 */
export function parseMapFile(text: string): readonly MapRow[] {
  return text.split('\n').flatMap((line) => {
    const row = line.trim()
    if (row === '' || row.startsWith('#')) return []
    const [key = ''] = row.split(/\s/, 1)
    return [{ key, value: row.slice(key.length).trim() }]
  })
}

/** Renders a map file. Sorts the rows by key. @throws HaproxyError `HAPROXY_NOT_ENCODABLE` */
export function renderMapFile(rows: readonly MapRow[]): string {
  const sorted = rows.toSorted((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0))
  return sorted.map(({ key, value }) => `${encodeMapRow(key, value)}\n`).join('')
}

/** Returns the rows that HAProxy can load into a map of whole numbers. With one invalid row HAProxy does not start. */
export function soundRows(rows: readonly MapRow[]): readonly MapRow[] {
  return rows.filter(({ value }) => /^[0-9]{1,9}$/.test(value))
}

/** Returns the text of a map file without the rows that HAProxy cannot load. Undefined when HAProxy can load the text as it is. */
export function repairMapText(text: string | undefined): string | undefined {
  if (text === undefined) return ''
  const rows = parseMapFile(text)
  const sound = soundRows(rows)
  return sound.length === rows.length ? undefined : renderMapFile(sound)
}

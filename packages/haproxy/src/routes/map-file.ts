import { encodeMapRow, isPlainKey } from '../encode.ts'
import type { MapRow } from '../runtime/maps.ts'

/** The maps: `hosts` has a row for each domain, `suspended` one for each suspended slot. */
export type MapName = 'hosts' | 'suspended'

/**
 * Parses a map file as HAProxy does: ignores blank lines, lines that begin with `#`, and blanks around the two words. A blank is a space or
 * a tab, and a line ends with LF, CR or NUL: HAProxy ignores the rest. A row without a value has the value `''`. Never throws.
 *
 * @see HAProxy configuration manual, 7.3.1 "map"
 */
export function parseMapFile(text: string): readonly MapRow[] {
  return text.split('\n').flatMap((line) => {
    if (line.startsWith('#')) return []
    const [, key, value = ''] = /^[ \t]*([^ \t\r\0]+)(?:[ \t]+([^\r\0]*))?/.exec(line) ?? []
    return key === undefined ? [] : [{ key, value: trimEnd(value) }]
  })
}

/** Removes blanks at the end of a value, in a time that grows with its length only. */
function trimEnd(value: string): string {
  let end = value.length
  while (end > 0 && (value[end - 1] === ' ' || value[end - 1] === '\t')) end -= 1
  return value.slice(0, end)
}

/** Renders a map file. Sorts the rows by key. @throws HaproxyError `HAPROXY_NOT_ENCODABLE` */
export function renderMapFile(rows: readonly MapRow[]): string {
  const sorted = rows.toSorted((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0))
  return sorted.map(({ key, value }) => `${encodeMapRow(key, value)}\n`).join('')
}

/**
 * Returns the rows that can be in a map: the value is a whole number, the key of `hosts` is visible ASCII, and the key of `suspended` is a
 * whole number too. With one invalid number HAProxy does not start.
 */
export function soundRows(map: MapName, rows: readonly MapRow[]): readonly MapRow[] {
  return rows.filter(({ key, value }) => isSoundKey(map, key) && isNumber(value))
}

/** Returns whether a row with this key can be in a map. */
export function isSoundKey(map: MapName, key: string): boolean {
  return map === 'hosts' ? isPlainKey(key) : isNumber(key)
}

function isNumber(text: string): boolean {
  return /^[0-9]{1,9}$/.test(text)
}

/** Returns the text of a map file without the rows that HAProxy cannot load. Undefined when HAProxy can load the text as it is. */
export function repairMapText(map: MapName, text: string | undefined): string | undefined {
  if (text === undefined) return ''
  const rows = parseMapFile(text)
  const sound = soundRows(map, rows)
  return sound.length === rows.length ? undefined : renderMapFile(sound)
}

import { HaproxyError } from './errors.ts'

/**
 * The largest payload of one command, in bytes. HAProxy reads a command with its payload into one buffer of 16,384
 * bytes (`tune.bufsize`) and sends no reply to a larger one.
 */
export const maxPayload = 15_000

/**
 * Encodes any text as one word of a configuration file. Quotes it so that no character in it is special.
 *
 * Refuses NUL, CR and LF, because strong quotes cannot express them, and text that is not well-formed Unicode. For a word that HAProxy
 * evaluates as a log-format, use `encodeLogFormat`.
 *
 * @throws HaproxyError `HAPROXY_NOT_ENCODABLE`
 * @see HAProxy configuration manual, 2.2 "Quoting and escaping"
 */
export function encodeWord(text: string): string {
  assertLine('a word of the configuration', text)
  if (/^[A-Za-z0-9_./:@=+,-]+$/.test(text)) return text
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/**
 * Encodes literal text where HAProxy expects a log-format (`lf-string`, `set-header`, …): doubles every `%`, then encodes it as a word.
 *
 * Quoting alone does not stop HAProxy from evaluating `%[env(HOME)]`. A doubled percent sign does.
 *
 * @throws HaproxyError `HAPROXY_NOT_ENCODABLE`
 * @see HAProxy configuration manual, 8.2.4 "Custom log format"
 */
export function encodeLogFormat(text: string): string {
  return encodeWord(text.replaceAll('%', '%%'))
}

/**
 * Encodes one row of a map file, without its line end.
 *
 * Refuses what a map file cannot hold: a key with white space (a key ends at the first space), a key that begins with `#` (the row is a
 * comment), and a value that begins or ends with white space. The runtime socket accepts such rows, but the next reload loses them.
 *
 * @throws HaproxyError `HAPROXY_NOT_ENCODABLE`
 */
export function encodeMapRow(key: string, value: string): string {
  assertLine('a map key', key)
  assertLine('a map value', value)
  if (key === '' || /[\t\v\f ]/.test(key)) throw refused('a map key', key, 'it is empty or contains white space')
  if (key.startsWith('#')) throw refused('a map key', key, 'it begins with #, which starts a comment')
  if (value === '' || /^[\t\v\f ]|[\t\v\f ]$/.test(value)) {
    throw refused('a map value', value, 'it is empty, or it begins or ends with white space')
  }
  return `${key} ${value}`
}

/**
 * Returns whether a command of the runtime socket can name the row of a map by this key: 1 to 1,000 visible ASCII characters, which
 * `encodeMapRow` and `encodeCliWord` accept. Pure.
 */
export function isPlainKey(key: string): boolean {
  return /^[!-~]{1,1000}$/.test(key) && !key.startsWith('#') && !key.includes('<<')
}

/**
 * Encodes one row of a crt-list: only the path of a certificate.
 *
 * The format has no quoting, so a path with white space, `[`, a backslash, or a leading `#` or `!` is refused.
 *
 * @throws HaproxyError `HAPROXY_NOT_ENCODABLE`
 * @see HAProxy configuration manual, 5.1 "crt-list"
 */
export function encodeCrtListRow(path: string): string {
  assertLine('a path in a crt-list', path)
  if (path === '' || /[\t\v\f []|^[#!]|\\/.test(path)) {
    throw refused(
      'a path in a crt-list',
      path,
      'it is empty, begins with # or !, or contains white space, [ or a backslash',
    )
  }
  return path
}

/**
 * Encodes one word of a command to the runtime socket.
 *
 * Escapes backslashes, white space, semicolons and quotes. Refuses an empty word, which HAProxy drops, and `<<`, which begins
 * a payload.
 *
 * @throws HaproxyError `HAPROXY_NOT_ENCODABLE`
 * @see HAProxy management guide, 9.3 "Unix Socket commands"
 */
export function encodeCliWord(text: string): string {
  assertLine('a word of a command', text)
  if (text === '') throw refused('a word of a command', text, 'HAProxy drops an empty word')
  if (text.includes('<<')) throw refused('a word of a command', text, 'it contains <<, which begins a payload')
  return text.replaceAll(/[\\ \t;'"]/g, (character) => `\\${character}`)
}

/**
 * Encodes rows as payloads for the runtime socket. Keeps their order. Each payload has at most `maxPayload` bytes.
 *
 * A blank line ends a payload, and HAProxy runs the lines after it as commands. One blank row therefore refuses all rows.
 *
 * @throws HaproxyError `HAPROXY_NOT_ENCODABLE`, also for a single row of more than `maxPayload` bytes.
 */
export function encodeCliPayload(rows: readonly string[]): readonly string[] {
  const payloads: string[] = []
  let lines: string[] = []
  let size = 0
  for (const row of rows) {
    const bytes = sizeOfRow(row)
    if (size + bytes > maxPayload) {
      payloads.push(lines.join(''))
      lines = []
      size = 0
    }
    lines.push(`${row}\n`)
    size += bytes
  }
  if (lines.length > 0) payloads.push(lines.join(''))
  return payloads
}

function sizeOfRow(row: string): number {
  assertLine('a row of a payload', row)
  if (row.trim() === '') throw refused('a row of a payload', row, 'it is blank, and a blank line ends a payload')
  const bytes = Buffer.byteLength(row) + 1
  if (bytes > maxPayload) throw refused('a row of a payload', row, `it is longer than ${maxPayload} bytes`)
  return bytes
}

function assertLine(what: string, text: string): void {
  if (/[\0\r\n]/.test(text)) throw refused(what, text, 'it contains NUL, CR or LF')
  if (!text.isWellFormed()) throw refused(what, text, 'it is not well-formed Unicode')
}

function refused(what: string, value: string, detail: string): HaproxyError {
  return new HaproxyError('HAPROXY_NOT_ENCODABLE', { operation: `encode ${what}`, value, detail })
}

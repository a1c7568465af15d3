import { HaproxyError } from './errors.ts'

/**
 * Bytes of a payload that one command may carry. HAProxy reads a command with its payload into one buffer of 16,384
 * bytes (`tune.bufsize`) and answers nothing at all to a larger one.
 */
export const maxPayload = 15_000

/**
 * Encodes any text as one word of a configuration file, quoted so that nothing in it is special.
 *
 * The file has no way to say NUL, CR or LF inside strong quotes, so those are refused, and so is text that is not
 * well-formed Unicode. A word that HAProxy evaluates as a log-format needs `encodeLogFormat` instead.
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
 * Encodes literal text where HAProxy expects a log-format (`lf-string`, `set-header`, …): `%` and then as a word.
 *
 * Quoting alone does not stop `%[env(HOME)]` from being evaluated, a doubled percent sign does.
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
 * A key ends at the first blank and a row that begins with `#` is a comment, though the runtime socket would take it:
 * it would be lost at the next reload. Blanks around a value would be lost too. All of these are refused.
 *
 * @throws HaproxyError `HAPROXY_NOT_ENCODABLE`
 */
export function encodeMapRow(key: string, value: string): string {
  assertLine('a key of a map', key)
  assertLine('a value of a map', value)
  if (key === '' || /[\t\v\f ]/.test(key)) throw refused('a key of a map', key, 'it is empty or has a blank')
  if (key.startsWith('#')) throw refused('a key of a map', key, 'a row that begins with # is a comment')
  if (value === '' || /^[\t\v\f ]|[\t\v\f ]$/.test(value)) {
    throw refused('a value of a map', value, 'it is empty or has blanks around it')
  }
  return `${key} ${value}`
}

/**
 * Encodes one row of a crt-list: the path of a certificate and nothing else.
 *
 * The format knows no quoting, so a path with a blank, `[`, or a leading `#` or `!` is refused.
 *
 * @throws HaproxyError `HAPROXY_NOT_ENCODABLE`
 * @see HAProxy configuration manual, 5.1 "crt-list"
 */
export function encodeCrtListRow(path: string): string {
  assertLine('a path in a crt-list', path)
  if (path === '' || /[\t\v\f []|^[#!]|\\/.test(path)) {
    throw refused('a path in a crt-list', path, 'a crt-list cannot quote blanks, brackets and backslashes')
  }
  return path
}

/**
 * Encodes one word of a command to the runtime socket.
 *
 * Backslash, blank, semicolon and quotes are escaped. Refused are an empty word, which vanishes, and `<<`, which would
 * begin a payload.
 *
 * @throws HaproxyError `HAPROXY_NOT_ENCODABLE`
 * @see HAProxy management guide, 9.3 "Unix Socket commands"
 */
export function encodeCliWord(text: string): string {
  assertLine('a word of a command', text)
  if (text === '') throw refused('a word of a command', text, 'an empty word vanishes')
  if (text.includes('<<')) throw refused('a word of a command', text, '<< begins a payload')
  return text.replaceAll(/[\\ \t;'"]/g, (character) => `\\${character}`)
}

/**
 * Encodes rows as payloads for the runtime socket, none larger than `maxPayload` bytes, in their order.
 *
 * A blank line would end the payload and make HAProxy run what follows as commands, so a blank row is refused, and with
 * it everything: nothing has been sent yet.
 *
 * @throws HaproxyError `HAPROXY_NOT_ENCODABLE`, also for a single row that is too long.
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
  if (row.trim() === '') throw refused('a row of a payload', row, 'a blank line ends a payload')
  const bytes = Buffer.byteLength(row) + 1
  if (bytes > maxPayload) throw refused('a row of a payload', row, `it has more than ${maxPayload} bytes`)
  return bytes
}

function assertLine(what: string, text: string): void {
  if (/[\0\r\n]/.test(text)) throw refused(what, text, 'it holds NUL, CR or LF')
  if (!text.isWellFormed()) throw refused(what, text, 'it is not well-formed Unicode')
}

function refused(what: string, value: string, detail: string): HaproxyError {
  return new HaproxyError('HAPROXY_NOT_ENCODABLE', { operation: `encode ${what}`, value, detail })
}

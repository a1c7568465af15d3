import fc from 'fast-check'
import t from 'tap'
import { isPrintable, printable, printableLines } from '../src/printable.ts'

void t.test('printable() escapes what changes a terminal or forges a line', async (t) => {
  const rows: readonly (readonly [title: string, text: string, shown: string])[] = [
    ['an escape sequence', 'a\u001b[2J', 'a\\u001b[2J'],
    ['the same as one character', 'a\u009b2J', 'a\\u009b2J'],
    ['a line feed and a carriage return', 'a\n\rb', 'a\\u000a\\u000db'],
    ['NUL and DEL', '\0\u007f', '\\u0000\\u007f'],
    ['separators of lines', '\u2028\u2029', '\\u2028\\u2029'],
    ['the direction of text', 'a\u202eb\u2066', 'a\\u202eb\\u2066'],
    ['half of a surrogate pair', '\ud800', '\\ud800'],
    ['a tag character', '\u{e0041}', '\\udb40\\udc41'],
  ]
  for (const [title, text, shown] of rows) {
    t.equal(printable(text), shown, title)
    t.notOk(isPrintable(text), title)
  }
})

void t.test('printable() leaves text of every script unchanged', async (t) => {
  for (const text of ['', 'node: app', 'Ärger', '日本語', '𝕏', '🐕', '\\u001b']) {
    t.equal(printable(text), text)
    t.ok(isPrintable(text))
  }
})

void t.test('printableLines() keeps line feeds and tabs', async (t) => {
  t.equal(printableLines('a\n\tb\r\u001bc'), 'a\n\tb\\u000d\\u001bc')
})

void t.test('printable() returns only printable text, and does not change it again', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const shown = printable(text)
      return (
        isPrintable(shown) && printable(shown) === shown && isPrintable(printableLines(text).replaceAll(/[\n\t]/g, ''))
      )
    }),
  )
})

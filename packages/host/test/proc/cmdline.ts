import fc from 'fast-check'
import t from 'tap'
import { parseCmdline } from '../../src/proc/index.ts'

void t.test('parseCmdline() splits only at NULs', async (t) => {
  const rows = [
    ['/bin/sleep\0' + '30\0', ['/bin/sleep', '30']],
    ['', []],
    ['\0', ['']],
    ['a\0\0b\0', ['a', '', 'b']],
    ['a\0\0', ['a', '']],
    ['nginx: worker', ['nginx: worker']],
    ['a\n\rb c\0\uFFFD\0', ['a\n\rb c', '\uFFFD']],
  ] as const
  for (const [text, words] of rows) t.strictSame(parseCmdline(text), words, JSON.stringify(text))
  const word = fc.string({ unit: 'binary' }).filter((one) => !one.includes('\0'))
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const text = words.map((one) => `${one}\0`).join('')
      return JSON.stringify(parseCmdline(text)) === JSON.stringify(words)
    }),
  )
})

import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { hide, hideEnd, renderCommand, showCommand } from '../src/args.ts'
import { createHost } from '../src/create-host.ts'
import { isPrintable } from '../src/printable.ts'

const rows: [title: string, command: string[], shown: string][] = [
  ['leaves plain words unchanged', ['/usr/bin/id', '-u', 'p10000'], '/usr/bin/id -u p10000'],
  ['quotes a space', ['/bin/echo', 'a b'], "/bin/echo 'a b'"],
  ['quotes a quote', ['/bin/echo', "it's"], `/bin/echo 'it'\\''s'`],
  ['quotes an empty argument', ['/bin/echo', ''], "/bin/echo ''"],
]
for (const [title, command, shown] of rows) {
  void t.test(`renderCommand() ${title}`, async (t) => t.equal(renderCommand(command), shown))
}

void t.test('renderCommand() renders what a shell reads back', async (t) => {
  const word = fc.string({ unit: 'grapheme-ascii' }).filter((text) => !text.includes('\0'))
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (words) => {
      const line = renderCommand(['printf', '%s\\0', ...words])
      const read = execFileSync('/bin/sh', ['-c', line], { encoding: 'utf8' })
      return read === words.map((text) => `${text}\0`).join('')
    }),
    { numRuns: 50 },
  )
  t.pass('50 random commands')
})

void t.test('renderCommand() renders words that are not printable without raw bytes, as bash reads them', async (t) => {
  t.equal(renderCommand(['rm', '\u001b[2J']), "rm $'\\033[2J'")
  const bash = createHost().program('bash')
  if (bash === undefined) return
  const word = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0') && text.isWellFormed())
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (words) => {
      const line = renderCommand(['printf', '%s\\0', ...words])
      const read = execFileSync(bash, ['-c', line], { encoding: 'utf8' })
      return isPrintable(line) && read === words.map((text) => `${text}\0`).join('')
    }),
    { numRuns: 50 },
  )
})

void t.test('showCommand() shortens a long command', async (t) => {
  t.equal(showCommand(['/bin/id', 'hunter2'], ['hunter2']), "/bin/id '•••'")
  const shown = showCommand(['/bin/id', '\u{1F600}'.repeat(100_000)])
  t.match(shown, /… \(\d+ characters\)$/)
  t.ok(shown.length < 4100 && shown.isWellFormed())
})

void t.test('hide() replaces every secret', async (t) => {
  t.equal(hide('key=abc&again=abc', ['abc', '']), 'key=•••&again=•••')
  t.equal(hide('hunter22', ['hunter', 'hunter22']), '•••', 'a secret that contains another one')
  t.equal(hide('xaba-abay', ['aba', 'xab']), '•••-•••y', 'secrets that overlap')
  t.equal(hide('aaaa', ['aa']), '•••', 'a secret that overlaps with itself')
  t.equal(hide('aaaa', ['a']), '•'.repeat(12))
})

void t.test('hideEnd() returns the end of an output without any part of a secret', async (t) => {
  t.equal(hideEnd('  a secret\n', ['secret'], 100), 'a •••')
  t.equal(hideEnd('0123456789', [], 3), '789')
  t.equal(hideEnd('', ['x'], 3), '')
  const secrets = ['hunter2', 'ter2hun', 'zz', '']
  const part = fc.constantFrom('hunter2', 'ter2hun', 'zz', 'a', ' ', '.')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), fc.integer({ min: 1, max: 60 }), (parts, most) => {
      const shown = hideEnd(parts.join(''), secrets, most)
      t.ok(shown.length <= most)
      t.notMatch(shown, /[hunter2z]/)
      const text = parts.join('').trim()
      if (text.length * 3 <= most) t.equal(shown, hide(text, secrets))
    }),
    { numRuns: 300 },
  )
  const large = 'x'.repeat(15 * 1024 * 1024)
  t.match(hideEnd(large, ['x'], 2000), /^•+$/)
})

import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { hide, renderCommand } from '../src/args.ts'
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

void t.test('hide() replaces every secret', async (t) => {
  t.equal(hide('key=abc&again=abc', ['abc', '']), 'key=•••&again=•••')
})

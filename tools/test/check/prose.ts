import t from 'tap'
import { checkProse } from '../../check/prose.ts'

const page = (text: string) => checkProse(new Map(), new Map([['a.md', text]]))
const source = (text: string) => checkProse(new Map([['packages/a/src/a.ts', text]]), new Map())

void t.test('checkProse() finds words of the dialect in pages, and where they stand', async (t) => {
  t.strictSame(page('# A title\n\nSome text.\n\n- It is for\n  nobody.\n'), [
    'a.md:5 says "nobody": write for instance "no process, no user"',
  ])
  t.strictSame(page('| a | b |\n|---|---|\n| one | Anew |\n'), ['a.md:3 says "Anew": write for instance "again"'])
  t.strictSame(page('The user `nobody` has no files.\n\n```sh\nid nobody\n```\n'), [])
})

void t.test('checkProse() finds sentences of more than forty words in pages', async (t) => {
  const of = (count: number) => `Word${' word'.repeat(count - 1)}.`
  t.strictSame(page(`${of(40)} ${of(40)}\n`), [])
  t.strictSame(page(`First.\n\n${of(40)} ${of(41)}\n`), [
    'a.md:3 has a sentence of 41 words: "Word word word word word word …"',
  ])
  t.strictSame(page(`- ${of(41)}\n`).length, 1)
  t.strictSame(page(`\`\`\`text\n${of(41)}\n\`\`\`\n`), [])
})

void t.test('checkProse() finds the words in messages, comments and docstrings of programs', async (t) => {
  t.strictSame(source("throw new Error('it failed without a word')"), [
    'packages/a/src/a.ts:1 says "without a word": write for instance "without an error message"',
  ])
  t.strictSame(source('const x = 1\nlog(`${x} makes no sense`)'), [
    'packages/a/src/a.ts:2 says "makes no sense": write for instance "is invalid"',
  ])
  t.strictSame(source('// Nobody calls this.\n'), [
    'packages/a/src/a.ts:1 says "Nobody": write for instance "no process, no user"',
  ])
  t.strictSame(source('/**\n * Gives the number.\n */\nexport const one = 1\n'), [
    'packages/a/src/a.ts:1 says "Gives": write for instance "returns, sets, provides"',
    'packages/a/src/a.ts:1 has a docstring that begins with "Gives"',
  ])
})

void t.test('checkProse() leaves names, code spans and other languages alone', async (t) => {
  t.strictSame(source("const user = 'nobody'\n"), [])
  t.strictSame(source('/** Returns the uid of `nobody`. */\nexport const one = 65534\n'), [])
  t.strictSame(source('const script = `\nid nobody\necho done\n`\n'), [])
})

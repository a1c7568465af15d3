import t from 'tap'
import { checkExpressions } from '../../check/expressions.ts'

const check = (text: string, path = 'packages/a/src/a.ts') => checkExpressions(new Map([[path, text]]))

const slow: readonly (readonly [claim: string, text: string])[] = [
  ['blanks around two words and a comment', 'const a = /^ *([^ ]+) +([^ ]+)(?: +(.*?))? *$/'],
  ['blanks at the end', "name.replace(/ +$/, '')"],
  ['white space at the end', "name.replace(/\\s+$/, '')"],
  ['a quantifier inside a quantifier', 'const a = /^(a+)+$/'],
  ['names and values', 'text.matchAll(/(\\w+)=(\\w+)/g)'],
  ['a text', "new RegExp('^\\\\s*(.*?)\\\\s*$')"],
  ['a text without new', "RegExp(' *(.*?) *$', 'u')"],
  ['a template with an unknown part', 'new RegExp(`^${key}\\\\s*(.*?)\\\\s*$`)'],
  ['a template with a constant', "const blank = ' *'; new RegExp(`^${blank}(.*?)${blank}$`)"],
  ['texts that are joined', "const blank = ' *'; new RegExp('^' + blank + '(.*?)' + blank + '$')"],
  ['the pattern of a schema', "const schema = { type: 'string', pattern: '^ *(.*?) *$' }"],
  ['the pattern of a setting', "text('^/( *[a-z ]*)*$', 'a meaning', 'an example')"],
]
for (const [claim, text] of slow) {
  void t.test(`checkExpressions() finds ${claim}`, async (t) => {
    const faults = check(`\n${text}`)
    t.ok(faults.length > 0, 'a fault')
    for (const fault of faults) t.match(fault, /^packages\/a\/src\/a\.ts:2 has a slow regular expression, \//)
  })
}

void t.test('checkExpressions() accepts expressions that take time in proportion to the length', async (t) => {
  const fast = [
    'const a = /^ *([^ ]+) +([^ ]+) */',
    'text.matchAll(/(?<!\\w)(\\w+)=(\\w+)/g)',
    'const a = /^[a-z][a-z0-9-]{0,62}$/',
    "const pattern = '^[a-z]{1,9}$'",
    'new RegExp(`^${key}: (\\\\w{1,20})$`)',
    "const text = '^ is not an expression ('",
    "const sentence = 'ends with blanks  *$'",
  ]
  for (const text of fast) t.strictSame(check(text), [], text)
})

void t.test('checkExpressions() finds the flag m', async (t) => {
  t.strictSame(check('const a = /^a$/gm'), [
    'packages/a/src/a.ts:1 has the flag m, /^a$/gm: split the text into lines, or write (?:^|\\n)',
  ])
  t.strictSame(check("new RegExp('^a$', 'm')").length, 1)
  t.ok(/^Uid: 0$/m.test('name\u2028Uid: 0'), 'the flag matches beside a line separator')
})

void t.test('checkExpressions() finds an expression that it cannot read, and one that is invalid', async (t) => {
  const unknown = 'compiles a regular expression that this check cannot read: write it as a text'
  t.strictSame(check('const a = (word: string) => new RegExp(word)'), [`packages/a/src/a.ts:1 ${unknown}`])
  t.strictSame(check("new RegExp('(')"), ['packages/a/src/a.ts:1 has a regular expression that is invalid: /(/'])
  t.strictSame(check('new RegExp(pattern)', 'packages/puppy/src/config.ts'), [], 'an exempt file')
  t.strictSame(check('const a = / *$/', 'packages/puppy/src/config.ts').length, 1, 'only for what cannot be read')
})

void t.test('checkExpressions() reads the programs, and no tests and tools', async (t) => {
  for (const path of ['testbed/src/a.ts', 'testbed/definition/a.ts'])
    t.strictSame(check('const a = / +$/', path).length, 1, path)
  for (const path of ['packages/a/test/a.ts', 'tools/check/a.ts'])
    t.strictSame(check('const a = / +$/', path), [], path)
})

import t from 'tap'
import { checkAssertions } from '../../check/assertions.ts'
import { checkErrors } from '../../check/errors.ts'
import { checkImports, specifiers } from '../../check/imports.ts'
import { checkMirror, checkTests, runs } from '../../check/mirror.ts'
import { checkReadmes } from '../../check/readmes.ts'

const tree = (files: Record<string, string>) => new Map(Object.entries(files))

const list = /^packages\/x\/test\/a\.ts:2 t\.\w+\(\) compares a list only up to the end of the pattern/
const anything = /:2 t\.\w+\(\) passes for every object when the pattern is \{\}/
const anyError = /:2 t\.\w+\(\) passes for any error/
const assertions: readonly (readonly [claim: string, line: string, fault: RegExp | undefined])[] = [
  ['an empty list', 't.match(x, [])', list],
  ['an empty list inside', 't.match(x, { a: [] })', list],
  ['a list that is not empty', "t.match(x, { a: { b: [{ c: 1 }] } }, 'title')", list],
  ['a list in another assertion of this kind', 't.hasStrict(x, { a: [1] })', list],
  ['a list in an expected error', "await t.rejects(x(), { code: 'A', faults: [] })", list],
  ['a list in an error that is thrown', "t.throws(() => x(), { faults: [{ pointer: '/a' }] })", list],
  ['a set', 't.match(x, new Set())', list],
  ['a list from map()', 't.match(x, { a: names.map((name) => name) })', list],
  ['a constant', 'const wanted = { a: [] } as const; t.match(x, wanted)', list],
  ['a spread constant', 'const rest = { a: [] }; t.match(x, { ...rest, b: 1 })', list],
  ['a function', 'const wanted = (n: number) => [n]; t.match(x, wanted(1))', list],
  ['a conditional expression', 't.match(x, y ? 1 : [])', list],
  [
    'a column of rows',
    'const rows = [[1, { a: [] }]] as const; for (const [n, wanted] of rows) t.match(n, wanted)',
    list,
  ],
  ['an element of a list', 'for (const wanted of [{ a: [1] }]) t.match(x, wanted)', list],
  ['an empty object', 't.match(x, {})', anything],
  ['an empty object inside', 't.match(x, { status: 204, body: {} })', anything],
  ['a rejection without an expected error', 'await t.rejects(x())', anyError],
  ['a title in the place of the error', "await t.rejects(x(), 'title')", anyError],
  ['a throw without an expected error', 't.throws(() => x())', anyError],
  ['a value that is always true', 't.ok({})', /:2 t\.ok\(\) never fails for this value/],
  ['the whole value', 't.strictSame(x, { a: [] })', undefined],
  ['a whole pattern', 't.matchOnlyStrict(x, [/a/])', undefined],
  ['a pattern without a list', 'const why = /a/; t.match(x, { a: why, b: { c: String }, d: rows[0] })', undefined],
  ['a text', "const match = 'a b'.match(/a/g); t.match(x, `${match}`)", undefined],
  ['an expression from a list', "t.match(x, new RegExp(['a', 'b'].join('|')))", undefined],
  ['an expected error', "await t.rejects(x(), { code: 'A' }); t.throws(() => x(), RangeError)", undefined],
]
for (const [claim, line, fault] of assertions) {
  void t.test(`checkAssertions() ${fault === undefined ? 'accepts' : 'finds'} ${claim}`, async (t) => {
    const found = checkAssertions(tree({ 'packages/x/test/a.ts': `import t from 'tap'\n${line}\n` }))
    t.matchOnlyStrict(found, fault === undefined ? [] : [fault])
    t.strictSame(checkAssertions(tree({ 'packages/x/src/a.ts': line })), [], 'only tests are checked')
  })
}

void t.test('checkMirror() finds a source file without a test, and accepts a file with only types', async (t) => {
  const files = {
    'packages/x/src/a.ts': 'export const a = 1\n',
    'packages/x/src/b.ts': 'export interface B { c: 1 }\n',
  }
  t.strictSame(checkMirror(tree(files)), ['packages/x/src/a.ts has no test at packages/x/test/a.ts'])
  t.strictSame(checkMirror(tree({ ...files, 'packages/x/test/a.ts': '' })), [])
  t.equal(runs("export { a } from './a.ts'\n/* const x = 1 */\n"), false)
  t.equal(runs('export async function f() {}\n'), true)
})

void t.test('checkTests() finds a file that is no test but that the runner would start', async (t) => {
  const files = {
    'packages/x/test/a.ts': "import t from 'tap'\n",
    'packages/x/test/support/b.ts': 'setInterval(() => 1)\n',
  }
  t.strictSame(checkTests(tree(files)), [])
  t.strictSame(checkTests(tree({ ...files, 'packages/x/test/holder.ts': 'setInterval(() => 1)\n' })), [
    'packages/x/test/holder.ts is not a test: it does not import t from tap. Move it to a folder named support',
  ])
})

void t.test(
  'checkImports() finds a facility that imports another, an import of a file of another package, and node:fs outside host',
  async (t) => {
    const fault = (path: string, text: string) => checkImports(tree({ [path]: text }))
    t.matchOnlyStrict(fault('packages/accounts/src/a.ts', "import { x } from '@puppy/haproxy'\n"), [
      /may import only host$/,
    ])
    t.matchOnlyStrict(fault('packages/host/src/a.ts', "import type { x } from '@puppy/accounts'\n"), [
      /host may import only npm packages$/,
    ])
    t.matchOnlyStrict(fault('packages/api/src/a.ts', "import { x } from '../../host/src/run.ts'\n"), [
      /a file of another package/,
    ])
    t.matchOnlyStrict(fault('packages/accounts/src/a.ts', "import { readFile } from 'node:fs/promises'\n"), [
      /only @puppy\/host/,
    ])
    t.matchOnlyStrict(fault('packages/api/src/a.ts', "import { x } from '@puppy/agent'\n"), [
      /may import only host, accounts, cgroups, state$/,
    ])
    t.matchOnlyStrict(fault('packages/agent/src/a.ts', "import type { x } from '@puppy/api'\n"), [/agent may import/])
    t.matchOnlyStrict(fault('packages/state/src/a.ts', "import { x } from '@puppy/agent'\n"), [
      /state may import only host, accounts, cgroups$/,
    ])
    t.strictSame(
      fault('packages/agent/src/a.ts', "import {\n  x,\n  y,\n} from '@puppy/haproxy'\nimport t from './b.ts'\n"),
      [],
    )
    t.strictSame(specifiers("import {\n  a,\n} from 'one'\nexport type { b } from 'two'\nimport 'three'\n"), [
      'one',
      'two',
      'three',
    ])
  },
)

void t.test('checkErrors() finds codes and sections that do not match, and sections with a missing part', async (t) => {
  const source = (union: string, codes: string) => `export type ${union} =\n${codes}\n\nexport const x = 1\n`
  const section = (code: string) =>
    `### ${code}\n\n- **Meaning:** m\n- **Cause:** c\n- **What to do:** w\n- **Example:** \`e\`\n\n`
  const chapter = (heading: string, ...sections: string[]) => `## ${heading}\n\n${sections.join('')}`
  const files = {
    'packages/host/src/errors.ts': source('HostErrorCode', "  | 'HOST_A'\n  | 'HOST_B'\n  | 'HOST_D'"),
    'packages/accounts/src/errors.ts': source('AccountErrorCode', "  | 'ACCOUNT_A'"),
    'packages/firewall/src/errors.ts': source('FirewallErrorCode', "  | 'FIREWALL_A'"),
    'packages/cgroups/src/errors.ts': source('CgroupErrorCode', "  | 'CGROUP_A'"),
    'packages/quota/src/errors.ts': source('QuotaErrorCode', "  | 'QUOTA_A'"),
    'packages/selinux/src/errors.ts': source('SelinuxErrorCode', "  | 'SELINUX_A'"),
    'packages/haproxy/src/errors.ts': source('HaproxyErrorCode', "  | 'HAPROXY_A'"),
    'packages/api/src/errors.ts': source('ApiErrorCode', "  | 'lower'"),
    'docs/errors.md': [
      '# E\n\n',
      chapter('@puppy/host', section('HOST_A'), section('HOST_C'), section('HOST_D').replace('Cause', 'Reason')),
      chapter('@puppy/accounts', section('ACCOUNT_A'), section('ACCOUNT_A')),
      ...['firewall', 'cgroups', 'quota', 'selinux', 'haproxy'].map((name) =>
        chapter(`@puppy/${name}`, section(`${name.replace(/s$/, '').toUpperCase()}_A`)),
      ),
      chapter('HTTP API', section('lower')),
    ].join(''),
  }
  t.strictSame(checkErrors(tree(files)), [
    'docs/errors.md has no section for HOST_B under "## @puppy/host"',
    'docs/errors.md explains HOST_C, which is not in HostErrorCode',
    'docs/errors.md has no "Cause" for HOST_D',
    'docs/errors.md explains ACCOUNT_A twice',
  ])
})

void t.test('checkReadmes() requires a README, its name and a sentence for each dependency', async (t) => {
  const manifest = JSON.stringify({ name: '@puppy/x', dependencies: { alib: '1', '@puppy/host': '1' } })
  t.matchOnlyStrict(checkReadmes(tree({ 'packages/x/package.json': manifest })), [/has no README/])
  const readme = { 'packages/x/package.json': manifest, 'packages/x/README.md': '# x\n' }
  t.matchOnlyStrict(checkReadmes(tree(readme)), [/does not begin with/, /why it needs alib/])
  t.strictSame(checkReadmes(tree({ ...readme, 'packages/x/README.md': '# @puppy/x\n- `alib` runs.\n' })), [])
})

import t from 'tap'
import { circlesIn, closureOf, exportsOf, importsOf, readGraph, wayTo } from '../../check/graph.ts'

const tree = (files: Record<string, string>) => new Map(Object.entries(files))
const manifest = (name: string, exports: object) => JSON.stringify({ name: `@puppy/${name}`, exports })

void t.test('importsOf() distinguishes static, dynamic and type imports', async (t) => {
  const text = [
    "import a from 'a'",
    "import { b,\n  type B,\n} from './b.ts'",
    "import { type C } from './c.ts'",
    "import type { D } from './d.ts'",
    "export * from './e.ts'",
    "export { f } from './f.ts'",
    "export type { G } from './g.ts'",
    "import 'h'",
    "const i = await import('./i.ts')",
    "// import j from 'j'",
    "/* import k from 'k' */",
    "export function l() {\n  return Array.from('l')\n}",
    "export const m = `\nfrom 'm'`",
    'import * as n from "n"',
  ].join('\n')
  const named = (kind: string) =>
    importsOf(text)
      .filter((one) => one.kind === kind)
      .map(({ specifier }) => specifier)
  t.strictSame(named('static'), ['a', './b.ts', './c.ts', './e.ts', './f.ts', 'n', 'h'])
  t.strictSame(named('dynamic'), ['./i.ts'])
  t.strictSame(named('type'), ['./d.ts', './g.ts'])
})

const three = tree({
  'packages/x/package.json': manifest('x', { '.': './src/index.ts', './deep/*': './src/deep/*.ts', './s': './s.ts' }),
  'packages/y/package.json': manifest('y', { '.': './src/index.ts' }),
  'packages/x/src/index.ts': "import { a } from './a.ts'\n",
  'packages/x/src/a.ts': "import type { index } from './index.ts'\nexport const a = () => import('./later.ts')\n",
  'packages/x/src/later.ts': "import 'child_process'\nimport 'foreign/part'\n",
  'packages/x/src/deep/one.ts': 'export const one = 1\n',
  'packages/x/s.ts': "import '@puppy/y'\n",
  'packages/y/src/index.ts': "import { one } from '@puppy/x/deep/one'\nexport * from '@puppy/x'\nimport '@puppy/x/s'\n",
})

void t.test(
  'closureOf() follows the exports of packages, and a module of Node has one name with and without node:',
  async (t) => {
    const graph = readGraph(three)
    t.strictSame(graph.faults, [])
    t.strictSame(
      [...closureOf(graph, ['packages/y/src/index.ts'])],
      [
        'packages/y/src/index.ts',
        'packages/x/src/deep/one.ts',
        'packages/x/src/index.ts',
        'packages/x/s.ts',
        'packages/x/src/a.ts',
        'packages/x/src/later.ts',
        'node:child_process',
        'foreign/part',
      ],
    )
    const atOnce = closureOf(graph, ['packages/x/src/index.ts'], { later: false })
    t.strictSame([...atOnce], ['packages/x/src/index.ts', 'packages/x/src/a.ts'])
    t.equal(
      wayTo(graph, ['packages/x/src/index.ts'], 'node:child_process'),
      'packages/x/src/index.ts > packages/x/src/a.ts > packages/x/src/later.ts > node:child_process',
    )
  },
)

void t.test('exportsOf() lists each file that a package exports', async (t) => {
  t.strictSame(exportsOf(three, '@puppy/x'), [
    'packages/x/src/index.ts',
    'packages/x/src/deep/one.ts',
    'packages/x/s.ts',
  ])
  t.strictSame(exportsOf(three, '@puppy/x', ['.', './s']), ['packages/x/src/deep/one.ts'])
  t.strictSame(exportsOf(three, '@puppy/none'), [])
})

const faults: readonly (readonly [what: string, text: string, fault: RegExp])[] = [
  ['a file that does not exist', "import './none.ts'\n", /imports packages\/z\/src\/none.ts, which does not exist/],
  ['a subpath that is not exported', "import '@puppy/x/none'\n", /\(no export "\.\/none"\), which does not exist/],
  ['an import of a computed name', 'await import(name)\n', /computed/],
  ['an import of a name made of parts', 'await import(`node:${part}`)\n', /computed/],
  ['require()', "import { createRequire } from 'node:module'\n", /computed/],
  ['a module of Node by its process', "process.getBuiltinModule('fs')\n", /computed/],
]
for (const [what, text, fault] of faults) {
  void t.test(`readGraph() reports ${what}`, async (t) => {
    const found = readGraph(new Map([...three, ['packages/z/src/a.ts', text]])).faults
    t.equal(found.length, 1)
    t.match(found[0], fault)
  })
}

void t.test('circlesIn() finds each circle once, including imports of types and dynamic imports', async (t) => {
  t.strictSame(circlesIn(readGraph(three)), [
    ['packages/x/s.ts', 'packages/y/src/index.ts'],
    ['packages/x/src/a.ts', 'packages/x/src/index.ts'],
  ])
  const two = tree({
    'packages/x/src/a.ts': "import './b.ts'\n",
    'packages/x/src/b.ts': "const c = () => import('./c.ts')\n",
    'packages/x/src/c.ts': "import './a.ts'\nimport './d.ts'\n",
    'packages/x/src/d.ts': "import './e.ts'\n",
    'packages/x/src/e.ts': "import './d.ts'\n",
  })
  t.strictSame(circlesIn(readGraph(two)), [
    ['packages/x/src/a.ts', 'packages/x/src/b.ts', 'packages/x/src/c.ts'],
    ['packages/x/src/d.ts', 'packages/x/src/e.ts'],
  ])
  const none = tree({
    'packages/x/src/a.ts': "import './b.ts'\nimport './c.ts'\n",
    'packages/x/src/b.ts': "import './c.ts'\n",
    'packages/x/src/c.ts': '',
  })
  t.strictSame(circlesIn(readGraph(none)), [])
})

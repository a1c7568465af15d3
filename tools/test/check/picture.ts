import t from 'tap'
import { checkPicture, drawPicture, page } from '../../check/picture.ts'

const empty = '# A\n\n<!-- Made from the code by `node tools/picture.ts`: begin -->\nold\n<!-- end -->\n\nMore.\n'
const manifest = (name: string, exports: object, dependencies: object = {}) =>
  JSON.stringify({ name: `@puppy/${name}`, exports, dependencies })
const files: Readonly<Record<string, string>> = {
  [page]: empty,
  'packages/top/package.json': manifest('top', { './cli': './src/cli.ts' }, { zod: '1', '@puppy/low': '1' }),
  'packages/mid/package.json': manifest('mid', { '.': './src/index.ts', './pure': './src/pure.ts' }),
  'packages/low/package.json': manifest('low', { '.': './src/index.ts', './store/*': './src/store/*.ts' }),
  'packages/top/src/cli.ts': "import '@puppy/mid/pure'\nimport '@puppy/low'\nimport '@puppy/low/store/a'\n",
  'packages/mid/src/index.ts': "import type { Low } from '@puppy/low'\n",
  'packages/mid/src/pure.ts': "import '@puppy/low/store/a'\nimport '@puppy/low/store/b'\n",
  'packages/low/src/index.ts': '',
  'packages/low/src/store/a.ts': '',
  'packages/low/src/store/b.ts': '',
}
const tree = (more: Readonly<Record<string, string>> = {}) => new Map(Object.entries({ ...files, ...more }))

void t.test('drawPicture() draws packages by their imports and does not change the rest of the page', async (t) => {
  t.strictSame(drawPicture(tree()).split('\n'), [
    '# A',
    '',
    '<!-- Made from the code by `node tools/picture.ts`: begin -->',
    '',
    '```mermaid',
    'graph TD',
    '  top -. "pure" .-> mid',
    '  mid -. "store/*" .-> low',
    '```',
    '',
    'An arrow is left out when a longer path leads to the same package. The table has all imports.',
    '',
    '| package | imports of this project | imports only types of | npm packages |',
    '| --- | --- | --- | --- |',
    '| `top` | low, mid/pure |  | zod |',
    '| `mid` | low/store/* |  |  |',
    '| `low` | nothing |  |  |',
    '',
    '<!-- end -->',
    '',
    'More.',
    '',
  ])
})

void t.test('drawPicture() lists packages of which only types are imported', async (t) => {
  t.match(drawPicture(tree({ 'packages/mid/src/pure.ts': '' })), '| `mid` | nothing | low |  |')
})

void t.test('drawPicture() ends when packages import each other', async (t) => {
  t.match(drawPicture(tree({ 'packages/low/src/index.ts': "import '@puppy/mid'\n" })), '| `low` | mid |')
})

void t.test('checkPicture() finds an outdated picture, and a page without one', async (t) => {
  t.matchOnlyStrict(checkPicture(tree()), [/run: node tools\/picture\.ts/])
  const drawn = drawPicture(tree())
  t.strictSame(checkPicture(tree({ [page]: drawn })), [])
  t.equal(checkPicture(tree({ [page]: drawn, 'packages/low/src/store/b.ts': "import '@puppy/mid'\n" })).length, 1)
  t.matchOnlyStrict(checkPicture(tree({ [page]: '# A\n' })), [/lacks the lines/])
})

import t from 'tap'
import { checkClaims } from '../../check/claims.ts'

const security = `# Security

Report weaknesses.

## What is defended

| threat | defence |
|---|---|
| [a tenant](docs/security-tests.md#a-tenant) | Keys belong to \`root\`. It has a uid. [More](docs/more.md) |
| [a neighbour, at any mode](docs/security-tests.md#a-neighbour-at-any-mode) | Levels ([ADR 1](docs/adr/1.md)). |

## What is not defended

Disks are not.

## What runs as root

The agent.
`
const tests = `# Tests

## a tenant

| sentence | tests |
|---|---|
| Keys belong to \`root\`. | [a](../packages/x/test/a.ts): \`one\`, \`two of \${many}\`; [b](../tools/test/b.ts): \`three\` |
| It has a uid. | [a](../packages/x/test/a.ts): \`one\` |

## a neighbour, at any mode

| sentence | tests |
|---|---|
| Levels (ADR 1). | [live](../packages/x/test/live/c.ts): \`four\` |

## What is not defended

| sentence | tests |
|---|---|
| Disks are not. | [a](../packages/x/test/a.ts): \`one\` |

## What runs as root

| sentence | tests |
|---|---|
| The agent. | [a](../packages/x/test/a.ts): \`one\` |
`
const files: Readonly<Record<string, string>> = {
  'packages/x/test/a.ts': "t.test('one', …)\nt.test(`two of ${many}`, …)",
  'packages/x/test/live/c.ts': "t.test('four', …)",
  'tools/test/b.ts': "t.test(\n  'three',",
  'packages/x/src/a.ts': "'one'",
}
/** Checks the pages after a change of each. */
function check(
  change: readonly [from: string, to: string] = ['', ''],
  changed: 'SECURITY.md' | 'docs/security-tests.md' = 'docs/security-tests.md',
) {
  const pages: Record<string, string> = { 'SECURITY.md': security, 'docs/security-tests.md': tests, ...files }
  const before = pages[changed] ?? ''
  if (!before.includes(change[0])) throw new Error(`The page does not have ${change[0]}`)
  pages[changed] = before.replace(...change)
  return checkClaims((path) => pages[path])
}

void t.test('checkClaims() accepts pages in which every sentence has a test', async (t) => {
  t.strictSame(check(), [])
})

const faults: readonly (readonly [claim: string, from: string, to: string, page: 'claims' | 'tests', fault: RegExp])[] =
  [
    [
      'a row without a link',
      '[a tenant](docs/security-tests.md#a-tenant)',
      'a tenant',
      'claims',
      /the row "a tenant" has no link to docs\/security-tests\.md$/,
    ],
    [
      'a row that links to no heading',
      '#a-tenant)',
      '#a-tenan)',
      'claims',
      /links to docs\/security-tests\.md#a-tenan, which is not a heading/,
    ],
    [
      'a sentence without a row',
      'It has a uid.',
      'It has a uid. It has a home.',
      'claims',
      /has no row under "a tenant" for the sentence of SECURITY\.md "It has a home\."$/,
    ],
    [
      'a sentence of text without a row',
      'The agent.',
      'The agent. The API.',
      'claims',
      /no row under "What runs as root" .* "The API\."$/,
    ],
    [
      'a row for a sentence that was removed',
      ' It has a uid.',
      '',
      'claims',
      /has a test for "It has a uid\.", which SECURITY\.md does not say$/,
    ],
    [
      'a row under another heading',
      '| It has a uid. |',
      '| Disks are not. |',
      'tests',
      /no row under "a tenant" .* "It has a uid\."$/,
    ],
    [
      'a file that does not exist',
      'packages/x/test/live/c.ts',
      'packages/x/test/live/d.ts',
      'tests',
      /links to packages\/x\/test\/live\/d\.ts, which does not exist$/,
    ],
    [
      'a file that is not a test',
      '(../packages/x/test/live/c.ts): `four`',
      '(../packages/x/src/a.ts): `one`',
      'tests',
      /links to packages\/x\/src\/a\.ts, which is not a test$/,
    ],
    [
      'a row without a test',
      '[live](../packages/x/test/live/c.ts): `four`',
      'none',
      'tests',
      /the row "Levels \(ADR 1\)\." has no link to a test$/,
    ],
    ['a file without a title', ': `four`', '', 'tests', /names no test of packages\/x\/test\/live\/c\.ts$/],
    [
      'a title that the file does not have',
      '`three`',
      '`thre`',
      'tests',
      /names a test that tools\/test\/b\.ts does not have: "thre"$/,
    ],
  ]
for (const [claim, from, to, page, fault] of faults) {
  void t.test(`checkClaims() finds ${claim}`, async (t) => {
    t.matchOnlyStrict(check([from, to], page === 'claims' ? 'SECURITY.md' : 'docs/security-tests.md'), [fault])
  })
}

void t.test('checkClaims() finds a planted row without a test, and a page without the table', async (t) => {
  const row = '| [a thief](docs/security-tests.md#a-thief) | Doors are locked. |'
  const last = '| Levels ([ADR 1](docs/adr/1.md)). |'
  t.matchOnlyStrict(check([last, `${last}\n${row}`], 'SECURITY.md'), [
    /the row "a thief" links to docs\/security-tests\.md#a-thief, which is not a heading there$/,
  ])
  t.matchOnlyStrict(check([last, `${last}\n| a thief | Doors are locked. |`], 'SECURITY.md'), [
    /the row "a thief" has no link to docs\/security-tests\.md$/,
  ])
  t.strictSame(
    checkClaims(() => undefined),
    ['SECURITY.md has no table in the section "What is defended"'],
  )
})

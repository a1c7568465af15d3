import t from 'tap'
import { checkPrivileges } from '../../check/privileges.ts'
import { readTree } from '../../check/tree.ts'

const real = await readTree(new URL('../../../', import.meta.url))

/** Returns the new faults when lines are added to files of this project. */
function faultsWith(more: Readonly<Record<string, string>>): readonly string[] {
  const before = checkPrivileges(real).faults
  const changed = new Map(real)
  for (const [path, text] of Object.entries(more)) changed.set(path, `${text}\n${real.get(path) ?? ''}`)
  return checkPrivileges(changed).faults.filter((fault) => !before.includes(fault))
}

void t.test('checkPrivileges() finds no fault in this project and proves what each process loads', async (t) => {
  const { faults, proven } = checkPrivileges(real)
  t.strictSame(faults, [])
  for (const line of [
    /^@puppy\/agent: \d{3} files load no web framework .*, no file of @puppy\/api$/,
    /^puppy agent: \d{3} files load no web framework/,
    /^@puppy\/api: \d+ files load no module that can start a program .*, no file of a facility/,
    /^puppy api: \d+ files load no file of a facility/,
    /^puppy start: \d+ files load no web framework .*, no file of a facility/,
    /^puppy up, which does not wait for programs: \d+ files load no web framework .*, no npm package/,
    /^@puppy\/state except \.\/embedded and \.\/server: \d+ files load no module that can start .*, no file of a facility/,
    /^pure subpaths: \d+ files/,
    /^every package except \.\/testing: \d{3} files load no test support$/,
    /^\d{3} files have no circular imports/,
  ])
    t.equal(proven.filter((one) => line.test(one)).length, 1, String(line))
})

const violations: readonly (readonly [what: string, path: string, line: string, faults: readonly RegExp[]])[] = [
  [
    'a web framework in the agent',
    'packages/agent/src/pass.ts',
    "import Fastify from 'fastify'",
    [/^@puppy\/agent must load no web framework.*pass\.ts > fastify$/, /^puppy agent must load no web framework/],
  ],
  [
    'a plugin of a web framework that a file of the agent imports dynamically',
    'packages/state/src/conditions.ts',
    "const later = () => import('@fastify/swagger')",
    [/^@puppy\/agent must/, /^puppy agent must/, /^puppy start must/],
  ],
  [
    'the API in the agent',
    'packages/agent/src/view.ts',
    "import { createApp } from '@puppy/api'",
    [/^@puppy\/agent must load no file of @puppy\/api: .*> packages\/api\/src\/index\.ts$/],
  ],
  [
    'a facility in the API',
    'packages/api/src/present.ts',
    "import { slotAt as at } from '@puppy/accounts'",
    [/^@puppy\/api must load no file of a facility except pure ones: .*accounts\/src\/index\.ts$/, /^puppy api must/],
  ],
  [
    'a facility of which only a type is imported inside braces',
    'packages/api/src/present.ts',
    "import { type Quota } from '@puppy/quota'",
    [/^@puppy\/api must load no file of a facility/],
  ],
  [
    'a program in the API',
    'packages/api/src/cursor.ts',
    "import { execFile } from 'child_process'",
    [/^@puppy\/api must load no module that can start a program.*cursor\.ts > node:child_process$/],
  ],
  [
    'the host in the API',
    'packages/api/src/cursor.ts',
    "import { createHost } from '@puppy/host'",
    [/^@puppy\/api must load no module that can start a program.*host\/src\/index\.ts$/],
  ],
  [
    'an effect behind a pure subpath',
    'packages/accounts/src/login/numbers.ts',
    "import { readFileSync } from 'node:fs'",
    [/^pure subpaths must load no module except.*keys\.ts > .*> node:fs$/],
  ],
  [
    'a program behind a pure subpath',
    'packages/accounts/src/login/key.ts',
    "import { spawn } from 'node:child_process'",
    [/^@puppy\/api must load no module/, /^pure subpaths must/],
  ],
  [
    'a facility in the SQL of a table',
    'packages/state/src/store/usage.ts',
    "import { addTraffic } from '@puppy/firewall'",
    [
      /^@puppy\/state except \.\/embedded and \.\/server must load no file of a facility/,
      /^@puppy\/api must/,
      /^puppy api must/,
    ],
  ],
  [
    'the embedded server in a file of the state that every process loads',
    'packages/state/src/database/pool.ts',
    "import { stopEmbedded } from './embedded.ts'",
    [/^@puppy\/state except \.\/embedded and \.\/server must load no module that can start a program/],
  ],
  [
    'a facility in the part of the command that every process loads',
    'packages/puppy/src/config.ts',
    "import { openFirewall } from '@puppy/firewall'",
    [/^puppy api must load no file of a facility/, /^puppy start must load no file of a facility/],
  ],
  [
    'a package in the supervisor',
    'packages/puppy/src/commands/supervise.ts',
    "import { Type } from 'typebox'",
    [/^puppy up, which does not wait for programs must load no npm package.*supervise\.ts > typebox$/],
  ],
  [
    'test support',
    'packages/haproxy/src/wait.ts',
    "import { freePort } from '@puppy/host/testing'",
    [
      /^every package except \.\/testing must load no test support: .*wait\.ts > packages\/host\/test\/support\/index\.ts$/,
    ],
  ],
  [
    'a circle',
    'packages/agent/src/pass.ts',
    "import type { x } from './reconcile.ts'",
    [/^These files import each other: .*agent\/src\/pass\.ts.*agent\/src\/reconcile\.ts/],
  ],
]
for (const [what, path, line, expected] of violations) {
  void t.test(`checkPrivileges() finds ${what}`, async (t) => {
    t.ok(real.has(path), `${path} exists`)
    const found = faultsWith({ [path]: line })
    for (const fault of expected)
      t.ok(
        found.some((one) => fault.test(one)),
        `${fault} in ${found.slice(0, 5).join('\n')}`,
      )
  })
}

void t.test('checkPrivileges() ignores imports of types, which Node erases', async (t) => {
  t.strictSame(faultsWith({ 'packages/api/src/present.ts': "import type { Quota } from '@puppy/quota'" }), [])
  t.strictSame(faultsWith({ 'packages/state/src/errors.ts': "import type { Firewall } from '@puppy/firewall'" }), [])
})

void t.test('checkPrivileges() reports a missing entry and proves nothing from it', async (t) => {
  const without = new Map([...real].filter(([path]) => path !== 'packages/agent/src/index.ts'))
  const { faults, proven } = checkPrivileges(without)
  t.ok(faults.includes('@puppy/agent: its entry packages/agent/src/index.ts does not exist'))
  t.notOk(proven.some((line) => line.startsWith('@puppy/agent')))
})

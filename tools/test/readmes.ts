/** The programs of the packages' READMEs are what the packages export today. Tests named `readme` in the packages run them. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { applicationFolder, readmeProgram } from '../../packages/host/test/support/index.ts'
import t from 'tap'

const checkout = fileURLToPath(new URL('../../', import.meta.url))
const names = readdirSync(join(checkout, 'packages'))

void t.test('the programs of READMEs type-check as a strict project does', async (t) => {
  const folder = applicationFolder(t)
  const { compilerOptions } = JSON.parse(readFileSync(join(checkout, 'tsconfig.json'), 'utf8')) as {
    readonly compilerOptions: Readonly<Record<string, unknown>>
  }
  const own = { incremental: false, tsBuildInfoFile: undefined, noUnusedLocals: false }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...compilerOptions, ...own }, include: ['*.ts'] }),
  )
  const programs = names.filter((name) => readmeProgram(name) !== '')
  for (const name of programs) writeFileSync(join(folder, `${name}.ts`), readmeProgram(name))
  t.strictSame(programs, ['accounts', 'cgroups', 'firewall', 'haproxy', 'host', 'quota', 'selinux', 'state'])
  const check = () => spawnSync(join(checkout, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' })
  t.match(check(), { status: 0, stdout: '' })
  writeFileSync(join(folder, 'host.ts'), readmeProgram('host').replace('createHost', 'makeHost'))
  t.match(check(), { status: 1, stdout: /host\.ts.*makeHost/ }, 'and a name that does not exist is found')
})

void t.test('a test runs the program of each README', async (t) => {
  const tests = readdirSync(join(checkout, 'packages'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    /^[^/]+\/test\/(live\/(long\/)?)?readme\.ts$/.test(path),
  )
  t.strictSame(
    names.filter((name) => readmeProgram(name) !== '' && !tests.some((path) => path.startsWith(`${name}/`))),
    [],
  )
})

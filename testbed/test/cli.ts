import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url))
const testbed = (...words: string[]) => spawnSync(process.execPath, [cli, ...words], { encoding: 'utf8' })

for (const [words, message] of [
  [['up', '--release', 'sid'], /^Unknown release "sid"; known releases: trixie, bookworm$/m],
  [['up', '--port', '22'], /^--port must be a whole number from 1024 to 65535, not "22"$/m],
  [['up', '--hosts', '9'], /^--hosts must be a whole number from 1 to 4, not "9"$/m],
  [['up', '--hosts', '1e1'], /^--hosts must be a whole number/m],
  [['up', '--nonsense'], /^Unknown option '--nonsense'/m],
] as const) {
  void t.test(`testbed ${words.join(' ')} prints an error without a stack and does nothing`, async (t) => {
    const { status, stderr, stdout } = testbed(...words)
    t.equal(status, 1)
    t.match(stderr, message)
    t.notMatch(stderr, /^ {4}at /m, 'no stack')
    t.equal(stdout, '')
  })
}

void t.test('testbed prints its usage without a command; with an unknown command it also fails', async (t) => {
  t.match(testbed(), { status: 0, stdout: /^testbed: .*\n\n {2}up / })
  t.match(testbed('dance'), { status: 64, stdout: /^testbed: / })
})

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createMiniStore, noStore } from '../support/mini.ts'

const script = fileURLToPath(new URL('../../examples/port-context.ts', import.meta.url))
const run = (...args: readonly string[]) =>
  spawnSync(process.execPath, ['--no-warnings', script, ...args], { timeout: 60_000, encoding: 'utf8' })

void t.test('the example sets the type of a port once', { skip: noStore }, async (t) => {
  const host = await createMiniStore(t)
  t.match(run('14000', host.root).stdout, /^changed \[ 'my_port-[0-9a-f]{12}' \]\n$/)
  t.match(run('14000', host.root).stdout, /^as before/)
  const { status, stderr } = run('70000', host.root)
  t.equal(status, 1)
  t.match(stderr, /SELINUX_INVALID/)
})

void t.test('the example reports that no policy is installed', async (t) => {
  const { status, stderr } = run('14000', t.testdir({}))
  t.equal(status, 1)
  t.match(stderr, /SELINUX_DISABLED/)
})

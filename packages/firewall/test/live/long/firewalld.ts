/** The table next to firewalld, and with commands that an operator types. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost } from '@puppy/host'
import t from 'tap'
import { openFirewall } from '../../../src/index.ts'
import { cannotRun } from '../../support/lab.ts'
import { crowd, settings } from '../../support/settings.ts'
import { changesOf } from '../../support/changes-of.ts'

t.setTimeout(600_000)

const table = 'puppy_live'
const skip =
  cannotRun ||
  (process.env['TESTBED_GUEST'] === undefined && 'flushes all rules, so it runs only in a disposable host') ||
  (existsSync('/usr/sbin/firewalld') ? false : 'firewalld is not installed')
const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { stdio: 'pipe', timeout: 120_000 }).toString()

void t.test('the table and the rules of firewalld do not change each other', { skip }, async (t) => {
  const folder = t.testdir()
  const firewall = openFirewall(createHost(), { table, folder: `${folder}/run` })
  t.teardown(() => firewall.remove())
  t.teardown(() => run('firewall-offline-cmd', '--remove-port=8443/tcp'))
  const theirs = () => run('nft', '--stateless', 'list', 'table', 'inet', 'firewalld')
  await firewall.ensure(settings)
  // Runs as a program of root: Debian's policy confines its unit so that `firewall-cmd` gets no answer.
  const firewalld = spawn('python3', ['/usr/sbin/firewalld', '--nofork', '--nopid'], { stdio: 'ignore' })
  t.teardown(async () => {
    firewalld.kill('SIGTERM')
    if (firewalld.exitCode === null) await once(firewalld, 'exit')
  })
  for (const until = Date.now() + 90_000; !isUp(); await sleep(500)) {
    if (Date.now() > until || firewalld.exitCode !== null) throw new Error('firewalld does not answer')
  }
  t.strictSame(await changesOf(firewall, settings), [], 'its start does not change the table')
  run('firewall-cmd', '--permanent', '--add-port=8443/tcp')
  run('firewall-cmd', '--reload')
  const before = theirs()
  t.match(before, '8443')
  t.strictSame(await changesOf(firewall, settings), [], 'its reload does not change the table')
  await firewall.ensure(crowd(100))
  await firewall.ensure(settings)
  t.equal(theirs(), before, 'ensure() does not change the rules of firewalld')
  run('firewall-cmd', '--complete-reload')
  t.strictSame(await changesOf(firewall, settings), [], 'its complete reload does not change the table')

  run('nft', 'flush', 'ruleset')
  t.matchOnlyStrict((await firewall.ensure(settings)).changes, [
    { facility: 'firewall', target: 'table', action: 'add', after: /^\d+ chains, / },
  ])
  t.strictSame(await changesOf(firewall, settings), [], 'ensure() restores the table after a flush')
  // firewalld 1.3 (Debian 12) fails to reload when its own table does not exist, and needs a restart.
  const reloaded = spawnSync('firewall-cmd', ['--reload'], { stdio: 'ignore', timeout: 60_000 }).status === 0
  t.comment(`firewalld ${reloaded ? 'restores its rules with a reload' : 'does not restore its rules with a reload'}`)
  if (reloaded) t.equal(theirs(), before, 'a reload restores the rules of firewalld')
  t.strictSame(await changesOf(firewall, settings), [], 'the reload does not change the table')
})

function isUp(): boolean {
  return spawnSync('firewall-cmd', ['--state'], { stdio: 'ignore', timeout: 30_000 }).status === 0
}

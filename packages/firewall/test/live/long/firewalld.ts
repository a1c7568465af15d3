/** The table beside firewalld's, and people who type. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost } from '@puppy/host'
import t from 'tap'
import { openFirewall } from '../../../src/index.ts'
import { cannotRun } from '../../support/lab.ts'
import { crowd, settings } from '../../support/settings.ts'

t.setTimeout(600_000)

const table = 'puppy_live'
const skip =
  cannotRun ||
  (process.env['TESTBED_GUEST'] === undefined && 'it flushes all rules: only in a disposable host') ||
  (existsSync('/usr/sbin/firewalld') ? false : 'firewalld is not installed')
const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { stdio: 'pipe', timeout: 120_000 }).toString()

void t.test('firewalld beside us: both sets of rules live', { skip }, async (t) => {
  const folder = t.testdir()
  const firewall = openFirewall(createHost(), { table, folder: `${folder}/run` })
  t.teardown(() => firewall.remove())
  t.teardown(() => run('firewall-offline-cmd', '--remove-port=8443/tcp'))
  const theirs = () => run('nft', '--stateless', 'list', 'table', 'inet', 'firewalld')
  await firewall.ensure(settings)
  // As a program of root's: Debian's policy confines its unit so that `firewall-cmd` gets no answer.
  const firewalld = spawn('python3', ['/usr/sbin/firewalld', '--nofork', '--nopid'], { stdio: 'ignore' })
  t.teardown(async () => {
    firewalld.kill('SIGTERM')
    if (firewalld.exitCode === null) await once(firewalld, 'exit')
  })
  for (const until = Date.now() + 90_000; !isUp(); await sleep(500)) {
    if (Date.now() > until || firewalld.exitCode !== null) throw new Error('firewalld does not answer')
  }
  t.strictSame(await firewall.plan(settings), [], 'its start leaves ours alone')
  run('firewall-cmd', '--permanent', '--add-port=8443/tcp')
  run('firewall-cmd', '--reload')
  const before = theirs()
  t.match(before, '8443')
  t.strictSame(await firewall.plan(settings), [], 'its reload leaves ours alone')
  await firewall.ensure(crowd(100))
  await firewall.ensure(settings)
  t.equal(theirs(), before, 'ours leaves its rules alone')
  run('firewall-cmd', '--complete-reload')
  t.strictSame(await firewall.plan(settings), [], 'its complete reload leaves ours alone')

  run('nft', 'flush', 'ruleset')
  t.matchOnlyStrict((await firewall.ensure(settings)).changes, [
    { facility: 'firewall', target: 'table', action: 'add', after: /^\d+ chains, / },
  ])
  t.strictSame(await firewall.plan(settings), [], 'after somebody’s flush ours are back')
  // firewalld 1.3 (Debian 12) stumbles over its own table that is not there, and needs a restart.
  const reloaded = spawnSync('firewall-cmd', ['--reload'], { stdio: 'ignore', timeout: 60_000 }).status === 0
  t.comment(`firewalld ${reloaded ? 'has its rules again after a reload' : 'does not get over the flush by a reload'}`)
  if (reloaded) t.equal(theirs(), before, 'and so are firewalld’s')
  t.strictSame(await firewall.plan(settings), [], 'which leaves ours alone')
})

function isUp(): boolean {
  return spawnSync('firewall-cmd', ['--state'], { stdio: 'ignore', timeout: 30_000 }).status === 0
}

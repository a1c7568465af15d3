/** The table on the machine itself, with systemd. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createHost } from '@puppy/host'
import { firstOutput } from '@puppy/host/testing'
import t, { type Test } from 'tap'
import { openFirewall } from '../../src/index.ts'
import { cannotRun, createLab, joinMachine } from '../support/lab.ts'
import { settings } from '../support/settings.ts'
import { changesOf } from '../support/changes-of.ts'

t.setTimeout(600_000)

const table = 'puppy_live'
const skip =
  cannotRun ||
  (process.env['TESTBED_GUEST'] === undefined &&
    'cuts off ssh and flushes all rules, so it runs only in a disposable host')
const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { stdio: 'pipe', timeout: 120_000 }).toString()

/** Starts the process that cuts off ssh. Starts it once more if Node crashes, which happens under emulation at times. */
async function startCutting(
  t: Test,
  words: readonly string[],
  attempts = 2,
): Promise<{ child: ChildProcess; said: string }> {
  const script = fileURLToPath(new URL('../support/cut-and-die.ts', import.meta.url))
  const child = spawn(process.execPath, ['--no-warnings', script, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    return { child, said: await firstOutput(child) }
  } catch (error) {
    if (attempts <= 1 || !['SIGSEGV', 'SIGTRAP', 'SIGILL'].includes(child.signalCode ?? '')) throw error
    t.comment(`Node crashed with ${child.signalCode}; the process starts again after its trial`)
    await sleep(12_000)
    return startCutting(t, words, attempts - 1)
  }
}

void t.test('systemd reverts a trial that cuts off ssh, although the process was killed', { skip }, async (t) => {
  const folder = t.testdir()
  const firewall = openFirewall(createHost(), { table, folder: `${folder}/run` })
  t.teardown(() => firewall.remove())
  const there = await createLab(t)
  await joinMachine(t, there)
  const outside = await there.actor(0)
  // sshd sends its version and then waits for data: `cut` is an answer.
  const answers = async () => /cut|SSH-2\.0/.test(await outside.connect('10.77.0.1', 22, { wait: 2000 }))
  t.ok(await answers(), 'sshd answers')

  for (const before of [undefined, settings] as const) {
    if (before !== undefined) await firewall.ensure(before)
    const { child, said } = await startCutting(t, [table, `${folder}/run`, '10'])
    const tried = performance.now()
    t.match(JSON.parse(said), { changed: true, armed: true })
    child.kill('SIGKILL')
    await once(child, 'close')
    t.notOk(await answers(), 'sshd is cut off')
    for (const until = Date.now() + 60_000; !(await answers()) && Date.now() < until;) await sleep(200)
    t.ok(await answers(), `sshd answers ${((performance.now() - tried) / 1000).toFixed(1)} s later`)
    if (before === undefined) t.equal(await firewall.read(), undefined, 'the table does not exist, as before')
    else t.strictSame(await changesOf(firewall, before), [], 'the previous table is restored')
    await t.rejects(firewall.confirm(), { code: 'FIREWALL_TIMEOUT' })
  }
  const kept = await firewall.trial({ ...settings, callers: [0] }, { seconds: 4 })
  t.match(kept, { changed: true, armed: true })
  await firewall.confirm()
  await sleep(5000)
  t.strictSame(await changesOf(firewall, { ...settings, callers: [0] }), [], 'a confirmed table stays')

  await firewall.trial(settings, { seconds: 600 })
  run('systemctl', 'start', `puppy-firewall-${table}-rollback.service`)
  run('systemctl', 'stop', `puppy-firewall-${table}-rollback.timer`)
  t.strictSame(await changesOf(firewall, { ...settings, callers: [0] }), [], 'docs/firewall.md undoes a trial at once')
  await t.rejects(firewall.confirm(), { code: 'FIREWALL_TIMEOUT' })

  await firewall.trial(settings, { seconds: 3 })
  await firewall.remove()
  await sleep(5000)
  t.equal(await firewall.read(), undefined, 'a removed table stays removed')
})

void t.test('a systemd service can load the table, although the policy confines nft there', { skip }, async (t) => {
  const folder = '/run/puppy-firewall-live'
  const firewall = openFirewall(createHost(), { table, folder })
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  t.teardown(() => firewall.remove())
  const script = fileURLToPath(new URL('../support/ensure.ts', import.meta.url))
  t.equal(await firewall.read(), undefined, 'the table does not exist')
  const words = ['--wait', '--collect', '--quiet', '--', process.execPath, '--no-warnings', script]
  run('systemd-run', ...words, table, folder)
  t.strictSame(await changesOf(firewall, settings), [], 'the service loaded the table')
})

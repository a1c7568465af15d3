/**
 * Runs the tests of every package and of the tools, and ends with one line of counts.
 *
 * `node tools/test.ts [--live] [--full] [--alone] [--tap=FOLDER] [part of a path …]`: with `--live` those under `test/live/`, which
 * need a real host (of those in `test/live/reboot/` only `before` or `after` with `--reboot=before` and `--reboot=after`); with `--full` the
 * long runs among them too: `test/live/long/`, and what asks for `TEST_FULL=1`; the TAP of each process goes to FOLDER. Files that do nothing
 * to their whole process share one, unless `--alone`.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { canShare, findTests, groupFiles, isLongRun, type TestFile } from './files.ts'
import { failuresOf, type Outcome } from './outcome.ts'
import { runFiles } from './run.ts'
import { scratchInMemory } from './scratch.ts'

const args = process.argv.slice(2)
const flag = (name: string) => args.includes(`--${name}`)
const value = (name: string) => args.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3)
const [live, full, reboot, tapFolder] = [flag('live'), flag('full'), value('reboot'), value('tap')]
const parts = args.filter((argument) => !argument.startsWith('--'))
/** Files that share a process. More would save less than what a late group makes the end wait. */
const most = 12
const kind = live ? 'live' : 'native'
const env: Record<string, string> = full ? { TEST_FULL: '1' } : {}

function report({ file, passed, failed, skipped, seconds, output }: Outcome): void {
  console.log(`${failed === 0 ? 'ok    ' : 'NOT OK'} ${file}: ${passed} passed (${seconds.toFixed(1)} s)`)
  for (const skip of skipped) console.log(`       skipped: ${skip}`)
  if (failed > 0) console.log(failuresOf(output).replaceAll(/^/gm, '    | '))
}

async function keepTap({ file, output }: Outcome): Promise<void> {
  if (tapFolder !== undefined) await writeFile(join(tapFolder, `${file.replaceAll('/', '-')}.tap`), output)
}

/** Minutes where a machine is emulated. They are counted without being started: that alone takes ten seconds there. */
const leftOut = (file: string): Outcome => {
  const skipped = ['a long run: testbed test --full']
  return { file, passed: 0, failed: 0, skipped, seconds: 0, output: '', crashed: false, timedOut: false }
}

/** What is tidied up at the end, the last first; also when the run is told to end. */
const endings: (() => unknown)[] = []
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void endEarly(signal))

async function endEarly(signal: string): Promise<void> {
  console.log(`Ended by ${signal}`)
  for (const end of endings.toReversed()) await end()
  process.exit(1)
}

/** Prepares the PostgreSQL that test files share, and the cluster that they copy: making one takes longer than most of them. */
async function shareDatabases(paths: readonly string[]): Promise<void> {
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')))
  const users = (word: string) => (live ? 0 : texts.filter((text) => text.includes(word)).length)
  const [postgres, cluster] = [users('startPostgres(') > 0, users('createPuppy(') > 1]
  if (!postgres && !cluster) return
  Object.assign(process.env, env)
  const support = await import('../../packages/state/test/support/database.ts')
  const cleanup = { teardown: (work: () => unknown) => void endings.push(work) }
  if (cluster) env[support.testCluster] = await support.makeTestCluster(cleanup)
  if (postgres) env[support.sharedServer] = JSON.stringify((await support.startTestServer(cleanup)).urls)
}

/** By size, as long as nothing better is known. Live tests change one machine and begin on a clean process each. */
async function weigh(path: string): Promise<TestFile> {
  const text = await readFile(path, 'utf8')
  return { path, weight: text.length, shares: !live && !flag('alone') && canShare(text) }
}

/** Runs one process. Where files that share one failed, each runs again alone: its own output is what a person needs. */
async function runGroup(group: readonly string[]): Promise<readonly Outcome[]> {
  const outcomes = await runFiles(group, env, kind)
  if (outcomes.every(({ failed }) => failed === 0)) return outcomes
  if (group.length > 1) {
    const again: Outcome[] = []
    for (const file of group) again.push(...(await runFiles([file], env, kind)))
    const alike = outcomes.filter(({ failed }) => failed > 0).map(({ file }) => file)
    const healed = alike.filter((file) => again.find((outcome) => outcome.file === file)?.failed === 0)
    if (healed.length > 0) {
      console.log(`UNSTABLE, failed in a shared process and passed alone: ${healed.join(', ')}`)
      console.log(failuresOf(outcomes[0]?.output ?? '').replaceAll(/^/gm, '    | '))
    }
    return again
  }
  if (!live || !outcomes.some(({ crashed }) => crashed)) return outcomes
  // QEMU 7.2 emulates two processors so that code which was just compiled now and then is not what the other one runs.
  console.log(`UNSTABLE: ${group.join()}: Node itself crashed; it runs again`)
  return runFiles(group, env, kind)
}

const files = await findTests({ live, parts, ...(reboot === undefined ? {} : { reboot }) })
const outcomes: Outcome[] = full ? [] : files.filter(isLongRun).map(leftOut)
const started = files.filter((file) => full || !isLongRun(file))
const groups = live ? started.map((file) => [file]) : groupFiles(await Promise.all(started.map(weigh)), most)
const queue = [...groups]
async function worker(): Promise<void> {
  for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
    for (const outcome of await runGroup(group)) {
      report(outcome)
      await keepTap(outcome)
      outcomes.push(outcome)
    }
  }
}
if (tapFolder !== undefined) await mkdir(tapFolder, { recursive: true })
for (const outcome of outcomes) report(outcome)
// Live tests are about the file systems of their host.
const scratch = live || process.env['TMPDIR'] !== undefined ? undefined : await scratchInMemory()
if (scratch !== undefined) env['TMPDIR'] = scratch
await shareDatabases(started)
// Live tests change one machine; two at once would see each other's changes.
await Promise.all(Array.from({ length: live ? 1 : Math.min(4, availableParallelism()) }, worker))

/**
 * Where `CI` is set a file that failed runs again, alone: a shared machine stands still for seconds now and then. It is reported as unstable,
 * with its first output above; a file that fails twice has failed, and so has one that used up its time.
 */
const unstable: string[] = []
if (process.env['CI'] !== undefined) {
  const broken = outcomes.filter((outcome) => outcome.failed > 0 && !outcome.timedOut)
  for (const first of broken.length > 3 ? [] : broken) {
    const [second] = await runFiles([first.file], env, kind)
    if (second === undefined) continue
    report(second)
    await keepTap(second)
    if (second.failed > 0 || second.passed === 0 || second.skipped.length > first.skipped.length) continue
    outcomes.splice(outcomes.indexOf(first), 1, second)
    unstable.push(first.file)
  }
}
if (unstable.length > 0) console.log(`UNSTABLE, passed only when run again: ${unstable.join(', ')}`)

for (const end of endings.toReversed()) await end()

const slowest = outcomes.toSorted((one, other) => other.seconds - one.seconds).slice(0, 10)
if (slowest.length > 1)
  console.log(`Slowest: ${slowest.map(({ file, seconds }) => `${file} ${seconds.toFixed(1)} s`).join(', ')}`)
const sum = (count: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + count(outcome), 0)
const failed = sum((outcome) => outcome.failed)
console.log(`${outcomes.length} files, ${groups.length} processes`)
console.log(`${sum((o) => o.passed)} passed, ${failed} failed, ${sum((o) => o.skipped.length)} skipped`)
// Live tests that all skip have shown nothing, on a host made for them.
if (failed > 0 || outcomes.length === 0 || (live && sum((o) => o.passed) === 0)) process.exitCode = 1

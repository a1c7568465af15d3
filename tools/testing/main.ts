/**
 * Runs the tests of every package and of the tools, and prints the counts in the last line.
 *
 * Usage: `node tools/test.ts [--live] [--full] [--alone] [--tap=FOLDER] [part of a path …]`.
 *
 * - `--live`: runs the tests under `test/live/`, which need a real host. Those in `test/live/reboot/` run only with `--reboot=before` or
 *   `--reboot=after`.
 * - `--full`: also runs the long live tests: `test/live/long/`, and tests that need `TEST_FULL=1`.
 * - `--tap=FOLDER`: writes the TAP of each process to FOLDER.
 * - `--alone`: runs each file in its own process. By default, files that do not affect their whole process share one.
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
/** The largest number of files in one process. With more, the last group would delay the end by more than sharing saves. */
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

/** Returns the outcome of a long test that is not started. On an emulated machine, starting it only to skip it takes ten seconds. */
const leftOut = (file: string): Outcome => {
  const skipped = ['a long run: testbed test --full']
  return { file, passed: 0, failed: 0, skipped, seconds: 0, output: '', crashed: false, timedOut: false }
}

/** The cleanup at the end, last entry first, also after a signal. */
const endings: (() => unknown)[] = []
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void endEarly(signal))

async function endEarly(signal: string): Promise<void> {
  console.log(`Ended by ${signal}`)
  for (const end of endings.toReversed()) await end()
  process.exit(1)
}

/** Starts the PostgreSQL that test files share, and creates the cluster that they copy. To create one takes longer than most test files. */
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

/** Returns a test file with its size as its weight. Live tests change one machine and do not share processes. */
async function weigh(path: string): Promise<TestFile> {
  const text = await readFile(path, 'utf8')
  return { path, weight: text.length, shares: !live && !flag('alone') && canShare(text) }
}

/** Runs one process. When files of a shared process fail, runs each file again alone, so that the output is that of one file. */
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
  // With QEMU 7.2, an emulated processor sometimes runs stale code after the other processor has compiled new code.
  console.log(`UNSTABLE: ${group.join()}: Node itself crashed; running the file again`)
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
// Live tests test the file systems of their host, so they use its own scratch folder.
const scratch = live || process.env['TMPDIR'] !== undefined ? undefined : await scratchInMemory()
if (scratch !== undefined) env['TMPDIR'] = scratch
await shareDatabases(started)
// Live tests change one machine. Two at the same time would see each other's changes.
await Promise.all(Array.from({ length: live ? 1 : Math.min(4, availableParallelism()) }, worker))

/**
 * With `CI`, a failed file runs again alone, because a shared machine sometimes stops for seconds. A file that then passes is reported as
 * unstable, and its first output is printed above. A file that fails twice, or that timed out, has failed.
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
// When every live test is skipped, the run has tested nothing, so it fails.
if (failed > 0 || outcomes.length === 0 || (live && sum((o) => o.passed) === 0)) process.exitCode = 1

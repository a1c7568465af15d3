/**
 * Runs the tests of every package and of the tools, each file a process of its own, and ends with one line of counts.
 *
 * `node tools/test.ts [--live] [--full] [--tap=FOLDER] [part of a path …]`: with `--live` those under `test/live/`, which
 * need a real host (of those in `test/live/reboot/` only `before` or `after` with `--reboot=before` and `--reboot=after`); with `--full` the long runs among them too: `test/live/long/`, and what asks for
 * `TEST_FULL=1`; the TAP of each file goes to FOLDER.
 */
import { spawn } from 'node:child_process'
import { glob, mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Parser } from 'tap-parser'

interface Outcome {
  readonly file: string
  readonly passed: number
  readonly failed: number
  readonly skipped: readonly string[]
  readonly seconds: number
  readonly output: string
  /** Node itself was ended by the processor before the file said anything, or V8 found its own compiled code amiss. */
  readonly crashed: boolean
}

const args = process.argv.slice(2)
const live = args.includes('--live')
const full = args.includes('--full')
const reboot = args.find((argument) => argument.startsWith('--reboot='))?.slice('--reboot='.length)
const tapFolder = args.find((argument) => argument.startsWith('--tap='))?.slice('--tap='.length)
const wanted = args.filter((argument) => !argument.startsWith('--'))
const fileTimeout = 25 * 60_000

async function testFiles(): Promise<readonly string[]> {
  const found: string[] = []
  for await (const file of glob(['{packages/*,testbed,tools}/test/**/*.ts'])) found.push(file)
  return found
    .filter((file) => file.includes('/test/live/') === live)
    .filter((file) => /\/test\/live\/reboot\/(before|after)\//.exec(file)?.[1] === reboot)
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .filter((file) => isTest(file))
    .toSorted()
}

/** A file under `test/` is a test unless it helps others: those say so by their folder or name. */
function isTest(file: string): boolean {
  return !/\/(support|fixtures)\/|\/(conformance|lock-holder|lock-intervals)\.ts$/.test(file)
}

/** A named test of a file counts once, whatever it asserts; one that skips anything, itself or inside, counts as skipped. */
function runFile(file: string): Promise<Outcome> {
  const started = performance.now()
  return new Promise((settle) => {
    let output = ''
    let crashed = false
    const counts = { passed: 0, failed: 0 }
    const skipped: string[] = []
    const parser = new Parser((results) => {
      const broken = results.ok || counts.failed > 0 ? 0 : 1
      const seconds = (performance.now() - started) / 1000
      settle({ file, passed: counts.passed, failed: counts.failed + broken, skipped, seconds, output, crashed })
    })
    const inside: string[] = []
    parser.on('child', (child: Parser) => collectSkips(child, inside))
    parser.on('assert', (result) => {
      const reasons = inside.splice(0)
      if (typeof result.skip === 'string' || result.skip === true) reasons.push(`${result.name}: ${result.skip}`)
      if (!result.ok) counts.failed += 1
      else if (reasons.length === 0) counts.passed += 1
      else skipped.push(reasons.join('; '))
    })
    const child = spawn(process.execPath, [file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_NO_WARNINGS: '1', ...(full ? { TEST_FULL: '1' } : {}) },
      timeout: fileTimeout,
    })
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      parser.write(chunk.toString())
    })
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('close', (code, signal) => {
      const ending = signal ?? (code === 0 ? undefined : `exit code ${code}`)
      const silently = output === '' && ['SIGSEGV', 'SIGILL', 'SIGBUS'].includes(signal ?? '')
      crashed = silently || (signal === 'SIGTRAP' && output.includes('# Check failed: it->second.Size() > offset'))
      const said = ending !== undefined || output !== ''
      output += `# ended with ${ending ?? 'exit code 0'}${said ? '' : ' and without a word'}\n`
      if (ending !== undefined && counts.failed === 0) parser.write(`\nnot ok - ${file} ended with ${ending}\n`)
      parser.end()
    })
  })
}

function collectSkips(parser: Parser, skipped: string[]): void {
  parser.on('child', (child: Parser) => collectSkips(child, skipped))
  parser.on('assert', (result) => {
    if (typeof result.skip === 'string' || result.skip === true) skipped.push(`${result.name}: ${result.skip}`)
  })
}

function report({ file, passed, failed, skipped, seconds, output }: Outcome): void {
  console.log(`${failed === 0 ? 'ok    ' : 'NOT OK'} ${file}: ${passed} passed (${seconds.toFixed(1)} s)`)
  for (const skip of skipped) console.log(`       skipped: ${skip}`)
  if (failed > 0) console.log(output.replaceAll(/^/gm, '    | '))
}

async function keepTap({ file, output }: Outcome): Promise<void> {
  if (tapFolder !== undefined) await writeFile(join(tapFolder, `${file.replaceAll('/', '-')}.tap`), output)
}

/** Minutes where a machine is emulated. They are counted without being started: that alone takes ten seconds there. */
const isLongRun = (file: string) => !full && file.includes('/test/live/long/')
const leftOut = (file: string): Outcome => {
  const skipped = ['a long run: testbed test --full']
  return { file, passed: 0, failed: 0, skipped, seconds: 0, output: '', crashed: false }
}

const files = await testFiles()
const queue = files.filter((file) => !isLongRun(file))
const outcomes: Outcome[] = files.filter(isLongRun).map(leftOut)
async function worker(): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    let outcome = await runFile(file)
    if (outcome.crashed && live) {
      // QEMU 7.2 emulates two processors so that code which was just compiled now and then is not what the other one runs.
      console.log(`UNSTABLE: ${file}: Node itself crashed; once more`)
      outcome = await runFile(file)
    }
    report(outcome)
    await keepTap(outcome)
    outcomes.push(outcome)
  }
}
if (tapFolder !== undefined) await mkdir(tapFolder, { recursive: true })
for (const outcome of outcomes) report(outcome)
// Live tests change one machine; two at once would see each other's changes.
await Promise.all(Array.from({ length: live ? 1 : Math.min(4, availableParallelism()) }, worker))

/**
 * Where `CI` is set a file that failed runs once more, alone: a shared machine stands still for seconds now and then. It is
 * told as unstable, with what it said the first time above; a file that fails twice has failed.
 */
const unstable: string[] = []
if (process.env['CI'] !== undefined) {
  const broken = outcomes.filter((outcome) => outcome.failed > 0)
  for (const first of broken.length > 3 ? [] : broken) {
    const second = await runFile(first.file)
    report(second)
    await keepTap(second)
    if (second.failed > 0 || second.passed === 0 || second.skipped.length > first.skipped.length) continue
    outcomes.splice(outcomes.indexOf(first), 1, second)
    unstable.push(first.file)
  }
}
if (unstable.length > 0) console.log(`UNSTABLE, passed only when run again: ${unstable.join(', ')}`)

const sum = (count: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + count(outcome), 0)
const failed = sum((outcome) => outcome.failed)
console.log(`${sum((o) => o.passed)} passed, ${failed} failed, ${sum((o) => o.skipped.length)} skipped`)
// Live tests that all skip have shown nothing, on a host made for them.
if (failed > 0 || outcomes.length === 0 || (live && sum((o) => o.passed) === 0)) process.exitCode = 1

import { getEventListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import t from 'tap'
import { runProgram, startProgram, type RunContext } from '../src/run.ts'

const context: RunContext = { live: true, marks: () => [], programStopped: () => {} }
const looks = { touches: 'nothing' } as const

void t.test('runProgram() passes on no environment variable of this process', async (t) => {
  process.env['PUPPY_TEST_SECRET'] = 'x'
  const { stdout } = await runProgram(['/usr/bin/env'], { ...looks, env: { EXTRA: '1' } }, context)
  t.strictSame(stdout.trim().split('\n').toSorted(), ['EXTRA=1', 'LC_ALL=C', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'])
})

void t.test('runProgram() uses no shell', async (t) => {
  const { stdout } = await runProgram(['/bin/echo', '$(id)', ';', '`id`', '*'], looks, context)
  t.equal(stdout, '$(id) ; `id` *\n')
})

const failures: [title: string, command: [string, ...string[]], options: object, code: string][] = [
  ['a program that hangs', ['/bin/sleep', '30'], { timeout: 50 }, 'HOST_TIMEOUT'],
  ['too much output', ['/bin/cat', '/dev/zero'], { maxOutput: 1000 }, 'HOST_OUTPUT_TOO_LARGE'],
  ['a missing program', ['/no/such'], {}, 'HOST_PROGRAM_NOT_FOUND'],
  ['a file that is not executable', ['/etc/passwd'], {}, 'HOST_PROGRAM_NOT_FOUND'],
  ['a program that fails', ['/bin/ls', '/no/such'], {}, 'HOST_PROGRAM_FAILED'],
  ['a program that a signal ends', ['/bin/sh', '-c', 'kill -9 $$'], {}, 'HOST_PROGRAM_FAILED'],
]
for (const [title, command, options, code] of failures) {
  void t.test(`runProgram() throws ${code} for ${title}`, async (t) => {
    await t.rejects(runProgram(command, { ...looks, ...options }, context), { code })
  })
}

void t.test('runProgram() terminates the program when its signal is aborted', async (t) => {
  const controller = new AbortController()
  const run = runProgram(['/bin/sleep', '30'], { ...looks, signal: controller.signal }, context)
  setTimeout(() => controller.abort(), 30)
  await t.rejects(run, { code: 'HOST_ABORTED' })
})

void t.test('runProgram() leaves no listener on its signal', async (t) => {
  const { signal } = new AbortController()
  for (let turn = 0; turn < 200; turn += 20) {
    await Promise.all(Array.from({ length: 20 }, () => runProgram(['/bin/true'], { ...looks, signal }, context)))
    t.equal(getEventListeners(signal, 'abort').length, 0)
  }
})

void t.test('runProgram() shows no secret from the arguments or from the output', async (t) => {
  const attempt = runProgram(['/bin/ls', '/hunter2'], { ...looks, secrets: ['hunter2'] }, context)
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  t.match(inspect(error), /•••/)
  t.notMatch(inspect(error) + JSON.stringify(error), /hunter2/)
})

void t.test('runProgram() refuses a NUL in an argument', async (t) => {
  await t.rejects(runProgram(['/bin/echo', 'a\0b'], looks, context), TypeError)
})

void t.test('startProgram() starts a program that writes to its log, and reports its end', async (t) => {
  const log = `${t.testdir()}/log`
  const started = await startProgram(['/bin/sh', '-c', 'echo hello; exit 3'], { log })
  t.strictSame(await started.exited, { exitCode: 3, signal: undefined })
  t.equal(readFileSync(log, 'utf8'), 'hello\n')
})

void t.test('startProgram() starts the program in its own session', async (t) => {
  const log = `${t.testdir()}/log`
  const { pid, exited } = await startProgram(['/bin/sleep', '30'], { log })
  await sleep(20)
  const session = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[3]
  t.equal(session, String(pid))
  process.kill(pid, 'SIGKILL')
  t.match(await exited, { signal: 'SIGKILL' })
})

void t.test('startProgram() reports the reason when a program cannot be started', async (t) => {
  const folder = t.testdir({ script: '' })
  const log = `${folder}/log`
  await t.rejects(startProgram([`${folder}/script/x`], { log }), { facts: { errno: 'ENOTDIR' }, message: /: ENOTDIR/ })
  const words = ['/bin/true', ...Array.from({ length: 40 }, () => 'x'.repeat(100_000))] as const
  await t.rejects(startProgram([...words], { log }), { code: 'HOST_PROGRAM_FAILED', facts: { errno: 'E2BIG' } })
  await t.rejects(startProgram(['/bin/true'], { log, env: { X: 'a\0b' } }), { code: 'HOST_PROGRAM_FAILED' })
})

void t.test('startProgram() throws HOST_PROGRAM_NOT_FOUND for a missing program', async (t) => {
  await t.rejects(startProgram(['/no/such'], { log: `${t.testdir()}/log` }), { code: 'HOST_PROGRAM_NOT_FOUND' })
})

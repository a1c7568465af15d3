import { getEventListeners } from 'node:events'
import t from 'tap'
import { runToEnd, type EndedRun, type RunToEnd } from '../src/run-to-end.ts'

const common: RunToEnd = { env: { PATH: '/usr/bin:/bin' }, timeout: 20_000, maxOutput: 1_000_000 }

/** Milliseconds after which a run has waited for another process: each of these processes lives for twenty seconds. */
const tooLong = 8000

const long = 'sleep 20'
/** More than a pipe holds, so that a program that does not read blocks its writer. */
const input = 'x'.repeat(1_000_000)

/** Programs that end by themselves and leave a process that holds their pipes. All print `first`. */
const leavers: Readonly<Record<string, string>> = {
  'keeps stdout and stderr': `${long} & echo first`,
  'keeps stdout only': `${long} 2>/dev/null & echo first`,
  'keeps stderr only': `${long} >/dev/null & echo first`,
  'keeps stdin': `exec 3<&0; ${long} <&3 >/dev/null 2>&1 & echo first`,
  'is in its own session': `setsid ${long} & echo first`,
  'is stopped': `sh -c 'kill -STOP $$; ${long}' & echo first`,
  'ignores SIGTERM and SIGHUP': `(trap '' TERM HUP; ${long}) & echo first`,
  'writes without end': `(for i in $(seq 100); do echo more; sleep 0.2; done) & echo first`,
  'is a grandchild': `(${long} & ) & echo first`,
}

/** Programs that do not end by themselves within twenty seconds. */
const stayers: Readonly<Record<string, string>> = {
  sleeps: `exec ${long}`,
  'ignores SIGTERM': `trap '' TERM; while :; do sleep 1; done`,
  'is stopped': `kill -STOP $$; ${long}`,
  'has closed its pipes': `exec >&- 2>&- <&-; exec ${long}`,
  'does not read its input': `exec ${long} >/dev/null`,
  'waits for a child that ignores SIGTERM': `(trap '' TERM; ${long}; ${long}) & wait; wait`,
  'writes a little, without end': `while :; do echo more; sleep 0.1; done`,
  'stops itself again after each SIGCONT': `trap 'kill -STOP $$' CONT; kill -STOP $$; ${long}; ${long}`,
}

async function measure(script: string, options: Partial<RunToEnd>): Promise<EndedRun & { readonly took: number }> {
  const before = performance.now()
  const ended = await runToEnd('/bin/sh', ['-c', script], { ...common, ...options })
  return { ...ended, took: performance.now() - before }
}

const cells: [title: string, run: () => ReturnType<typeof measure>, expected: Partial<EndedRun>][] = []
for (const [title, script] of Object.entries(leavers)) {
  for (const [way, options] of Object.entries({ 'without input': {}, 'with input': { input } })) {
    cells.push([
      `a program ended, and its child ${title}, ${way}`,
      () => measure(script, options),
      { exitCode: 0, stdout: 'first\n' },
    ])
    cells.push([
      `a program failed, and its child ${title}, ${way}`,
      () => measure(`${script}; exit 3`, options),
      { exitCode: 3, stdout: 'first\n' },
    ])
  }
}
for (const [title, script] of Object.entries(stayers)) {
  for (const [way, options] of Object.entries({ 'without input': {}, 'with input': { input } })) {
    cells.push([
      `a program that ${title} reaches its timeout, ${way}`,
      () => measure(script, { ...options, timeout: 300 }),
      { stoppedBy: 'timeout' },
    ])
    cells.push([
      `a program that ${title} is aborted, ${way}`,
      async () => {
        const controller = new AbortController()
        const run = measure(script, { ...options, signal: controller.signal })
        setTimeout(() => controller.abort(), 300)
        return run
      },
      { stoppedBy: 'abort' },
    ])
  }
}

void t.test('runToEnd() ends with the program or its time, whatever other processes do', async (t) => {
  const tooks: number[] = []
  // Eight at a time: all together they would measure how busy this machine is.
  for (let from = 0; from < cells.length; from += 8) {
    await Promise.all(
      cells.slice(from, from + 8).map(async ([title, run, expected]) => {
        const { took, ...ended } = await run()
        tooks.push(took)
        t.match(ended, expected, title)
        t.equal(ended.stoppedBy, expected.stoppedBy, `${title}: the reason`)
        t.ok(took < tooLong, `${title}: after ${Math.round(took)} ms`)
      }),
    )
  }
  t.comment(`${cells.length} runs, the longest ${Math.round(Math.max(...tooks))} ms`)
})

void t.test('runToEnd() returns all that a program wrote', async (t) => {
  const { stdout, stderr } = await measure('seq 100000; seq 50000 >&2', {})
  t.equal(stdout.split('\n').length, 100_001)
  t.equal(stderr.split('\n').length, 50_001)
})

void t.test('runToEnd() returns all that a program wrote before another process kept its pipes', async (t) => {
  const { stdout } = await measure(`${long} & seq 20000`, {})
  t.equal(stdout.split('\n').length, 20_001)
})

void t.test('runToEnd() does not count a timeout that passed while this process was busy', async (t) => {
  const run = measure('exit 4', { timeout: 200 })
  const until = performance.now() + 600
  while (performance.now() < until);
  t.match(await run, { exitCode: 4, stoppedBy: undefined })
})

void t.test('runToEnd() stops a program that writes too much, although it ignores SIGTERM', async (t) => {
  const ended = await measure(`trap '' TERM PIPE; while :; do echo xxxxxxxxxx || :; done`, { maxOutput: 1000 })
  t.match(ended, { stoppedBy: 'output', signal: 'SIGKILL' })
  t.ok(ended.stdout.length <= 1000)
})

void t.test('runToEnd() starts nothing when its signal is aborted already', async (t) => {
  const file = `${t.testdir()}/started`
  const ended = await measure(`touch ${file}`, { signal: AbortSignal.abort() })
  t.strictSame({ ...ended, took: 0 }, { stdout: '', stderr: '', stoppedBy: 'abort', took: 0 })
})

void t.test('runToEnd() reports a program that cannot be started', async (t) => {
  t.match(await runToEnd('/no/such', [], common), { error: { code: 'ENOENT' } })
  t.match(await runToEnd('/bin/echo', ['x'.repeat(3_000_000)], common), { error: { code: 'E2BIG' } })
})

void t.test('runToEnd() leaves no listener on its signal', async (t) => {
  const { signal } = new AbortController()
  await Promise.all([measure('exit 0', { signal }), measure(long, { signal, timeout: 10 })])
  t.equal(getEventListeners(signal, 'abort').length, 0)
})

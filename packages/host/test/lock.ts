import { fork, type ChildProcess } from 'node:child_process'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { RunOptions } from '../src/command.ts'
import { createHost } from '../src/create-host.ts'
import { parseStat } from '../src/proc/stat.ts'
import { killHard } from './support/index.ts'
import { overlaps, parseIntervals } from './support/lock-intervals.ts'

// Five hundred rounds start a hundred processes, which takes long on a busy machine.
t.setTimeout(600_000)

const holder = new URL('./support/lock-holder.ts', import.meta.url)

function start(folder: string, args: readonly string[]): ChildProcess {
  return fork(holder, [folder, ...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

const isAlivePid = (pid: number) => parseStat(readIfThere(`/proc/${pid}/stat`))?.alive === true

const now = () => process.hrtime.bigint()

/** A holder logs the time after it takes the lock and before it releases it. For a killed holder the time just before the signal counts. */
void t.test(
  'four processes, 500 rounds, holders killed at random, one with a slow child: never two holders',
  async (t) => {
    const folder = t.testdir()
    const kills: string[] = []
    /** The processes that have held the lock. */
    const ready = new Set<number>()
    const begin = (index: number) => {
      const child = start(folder, index === 3 ? ['slow-child'] : [])
      child.once('message', () => ready.add(child.pid ?? 0))
      return child
    }
    const rounds = () => parseIntervals(readIfThere(`${folder}/log`), kills).length
    const running = Array.from({ length: 4 }, (_, index) => ({
      index,
      child: begin(index),
    }))
    let killed = 0
    while (rounds() < 500) {
      await sleep(15 + Math.random() * 60)
      const victim = running[Math.floor(Math.random() * running.length)]
      // On a busy machine processes would be killed before they have started, so each must have held the lock once.
      if (victim?.child.pid === undefined || !ready.has(victim.child.pid)) continue
      kills.push(`kill ${victim.child.pid} ${now()}`)
      victim.child.kill('SIGKILL')
      await once(victim.child, 'exit')
      killed += 1
      victim.child = begin(victim.index)
    }
    for (const { child } of running) {
      kills.push(`kill ${child.pid} ${now()}`)
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await sleep(400)
    const intervals = parseIntervals(readFileSync(`${folder}/log`, 'utf8'), kills)
    t.ok(intervals.length >= 500, `${intervals.length} holds`)
    t.ok(
      intervals.some(({ who }) => who === 'child'),
      'some children outlived their holder',
    )
    t.ok(killed > 0, `${killed} holders killed`)
    t.strictSame(overlaps(intervals), [], 'no two holders at once')
  },
)

void t.test('a lock is taken only after the programs that a killed holder left behind have ended', async (t) => {
  const folder = t.testdir()
  const child = start(folder, ['one-slow-child'])
  await once(child, 'message')
  child.kill('SIGKILL')
  await once(child, 'exit')
  const host = createHost()
  await t.rejects(
    host.lock(`${folder}/lock`, { timeout: 0 }),
    { code: 'HOST_LOCK_TIMEOUT', message: /programs of the last holder, which was killed, still run .*: process \d+$/ },
    'the program still runs',
  )
  const lock = await host.lock(`${folder}/lock`, { timeout: 30_000 })
  t.match(readFileSync(`${folder}/log`, 'utf8'), /child-exit/, 'the lock is taken after the program has ended')
  await lock.release()
})

/** Kills a holder whose program runs for a minute. Returns the pid of the program, which `stop` may have stopped before. */
async function killHolder(t: Test, folder: string, stop: boolean): Promise<number> {
  const child = start(folder, ['one-slow-child', '60000'])
  await once(child, 'message')
  const pid = Number(/child-enter (\d+)/.exec(readFileSync(`${folder}/log`, 'utf8'))?.[1])
  t.teardown(() => killHard(pid))
  if (stop) process.kill(pid, 'SIGSTOP')
  child.kill('SIGKILL')
  await once(child, 'exit')
  return pid
}

void t.test('a program that a killed holder left behind is ended at once if it is stopped', async (t) => {
  const folder = t.testdir()
  const pid = await killHolder(t, folder, true)
  const lock = await createHost().lock(`${folder}/lock`, { timeout: 60_000, signal: AbortSignal.timeout(20_000) })
  t.equal(isAlivePid(pid), false, 'the stopped program has ended')
  t.notMatch(readFileSync(`${folder}/log`, 'utf8'), /child-exit/)
  await lock.release()
})

void t.test('a program that a killed holder left behind is ended after half of the timeout', async (t) => {
  const folder = t.testdir()
  const pid = await killHolder(t, folder, false)
  const lock = await createHost().lock(`${folder}/lock`, { timeout: 1000 })
  t.equal(isAlivePid(pid), false, 'the program has ended')
  await lock.release()
})

void t.test('a lock is free right after its release, while programs that began meanwhile still run', async (t) => {
  const folder = t.testdir()
  const host = createHost()
  const ending = new AbortController()
  const lock = await host.lock(`${folder}/lock`)
  const running = host.run(['/bin/sleep', '60'], { touches: 'files', signal: ending.signal, timeout: 90_000 })
  running.catch(() => {})
  await sleep(50)
  await lock.release()
  const next = await createHost().lock(`${folder}/lock`, { timeout: 0 })
  await next.release()
  ending.abort()
  await t.rejects(running, { code: 'HOST_ABORTED' })
})

void t.test('a release after a program was stopped leaves its own children to the next holder', async (t) => {
  const folder = t.testdir()
  const host = createHost()
  const lock = await host.lock(`${folder}/lock`)
  const script = `sleep 60 & echo $! > ${folder}/pid; wait`
  await t.rejects(host.run(['/bin/sh', '-c', script], { touches: 'files', timeout: 500 }), { code: 'HOST_TIMEOUT' })
  const pid = Number(readFileSync(`${folder}/pid`, 'utf8'))
  t.teardown(() => killHard(pid))
  t.equal(isAlivePid(pid), true, 'the child of the program still runs')
  await lock.release()
  await using _next = await createHost().lock(`${folder}/lock`, { timeout: 2000 })
  t.equal(isAlivePid(pid), false)
})

void t.test('no program inherits a lock; one that changes something and is no daemon has its mark', async (t) => {
  const folder = t.testdir()
  const host = createHost()
  const lock = await host.lock(`${folder}/lock`)
  const other = await host.lock(`${folder}/visible`, { visible: true })
  const rows: [options: RunOptions, marks: number][] = [
    [{ touches: 'nothing' }, 0],
    [{ touches: 'ours', daemon: true }, 0],
    [{ touches: 'files' }, 2],
    [{ touches: 'ours' }, 2],
    [{ touches: 'machine' }, 2],
  ]
  for (const [options, marks] of rows) {
    const { stdout: open } = await host.run(['/bin/ls', '-l', '/proc/self/fd'], options)
    t.notMatch(open, folder, `${JSON.stringify(options)}: no descriptor`)
    const { stdout } = await host.run(['/usr/bin/env'], options)
    const found = /^HOST_LOCKS=(.*)$/m.exec(stdout)?.[1]?.split(',') ?? []
    t.equal(found.length, marks, `${JSON.stringify(options)}: ${marks} marks`)
    for (const [index, name] of ['lock', 'visible.flock'].slice(0, marks).entries())
      t.ok(readFileSync(`${folder}/${name}`, 'utf8').endsWith(`, mark ${found[index]}\n`))
  }
  await lock.release()
  await other.release()
  t.equal(readFileSync(`${folder}/lock`, 'utf8'), '', 'a release empties the file')
})

void t.test('lock() reports the holder, stops when aborted, and refuses a missing folder', async (t) => {
  const folder = t.testdir()
  const host = createHost()
  await using _lock = await host.lock(`${folder}/lock`, { purpose: 'the test' })
  await t.rejects(host.lock(`${folder}/lock`, { timeout: 0 }), { message: /the test, process \d+/ })
  const waiting = host.lock(`${folder}/lock`, { timeout: 10_000, signal: AbortSignal.timeout(50) })
  await t.rejects(waiting, { code: 'HOST_ABORTED' })
  await t.rejects(host.lock(`${folder}/no/such`), { code: 'HOST_LOCK_FAILED' })
})

const losses: readonly (readonly [title: string, lose: (file: string) => void])[] = [
  ['removed', (file) => rmSync(file)],
  ['renamed', (file) => renameSync(file, `${file}.away`)],
  [
    'replaced',
    (file) => {
      writeFileSync(`${file}.new`, '')
      renameSync(`${file}.new`, file)
    },
  ],
]

for (const visible of [false, true])
  for (const [title, lose] of losses)
    void t.test(
      `a waiter takes the lock of the new file when the ${visible ? 'visible ' : ''}one is ${title}`,
      async (t) => {
        const folder = t.testdir({ file: '' })
        const path = `${folder}/file`
        const first = await createHost().lock(path, { visible })
        let taken = false
        const waiting = createHost()
          .lock(path, { visible, timeout: 20_000 })
          .then((lock) => {
            taken = true
            return lock
          })
        await sleep(300)
        lose(visible ? `${path}.flock` : path)
        if (visible) rmSync(`${path}.lock`, { recursive: true })
        const second = await createHost().lock(path, { visible, timeout: 0 })
        await first.release()
        await sleep(500)
        t.equal(taken, false, 'the waiter does not hold the lock beside the second holder')
        await second.release()
        const third = await waiting
        await t.rejects(createHost().lock(path, { visible, timeout: 0 }), { code: 'HOST_LOCK_TIMEOUT' })
        await third.release()
      },
    )

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

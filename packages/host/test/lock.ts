import { fork, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createHost } from '../src/create-host.ts'
import { overlaps, parseIntervals } from './support/lock-intervals.ts'

// Five hundred rounds start a hundred processes, which takes long on a busy machine.
t.setTimeout(600_000)

const holder = new URL('./support/lock-holder.ts', import.meta.url)

function start(folder: string, args: readonly string[]): ChildProcess {
  return fork(holder, [folder, ...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

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

void t.test('a lock stays held while a program that inherited it runs, and is free right after', async (t) => {
  const folder = t.testdir()
  const child = start(folder, ['one-slow-child'])
  await once(child, 'message')
  child.kill('SIGKILL')
  await once(child, 'exit')
  const host = createHost()
  await t.rejects(
    host.lock(`${folder}/lock`, { timeout: 0 }),
    { code: 'HOST_LOCK_TIMEOUT' },
    'the program still holds it',
  )
  const lock = await host.lock(`${folder}/lock`, { timeout: 10_000 })
  t.match(readFileSync(`${folder}/log`, 'utf8'), /child-exit/, 'the lock is taken after the program has ended')
  await lock.release()
})

void t.test('a program that changes nothing, or a daemon, does not inherit the lock', async (t) => {
  const folder = t.testdir()
  const host = createHost()
  const lock = await host.lock(`${folder}/lock`)
  for (const options of [{ touches: 'nothing' }, { touches: 'ours', daemon: true }] as const) {
    const { stdout } = await host.run(['/bin/ls', '-l', '/proc/self/fd'], options)
    t.notMatch(stdout, 'lock', JSON.stringify(options))
  }
  const { stdout } = await host.run(['/bin/ls', '-l', '/proc/self/fd'], { touches: 'files' })
  t.match(stdout, `${folder}/lock`, 'one that changes files does')
  await lock.release()
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

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

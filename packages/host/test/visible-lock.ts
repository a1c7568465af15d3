import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { check, lock } from 'proper-lockfile'
import t, { type Test } from 'tap'
import { createHost } from '../src/index.ts'
import { holdFolder, resolveLinks } from '../src/visible-lock.ts'
import { overlaps, parseIntervals } from './support/lock-intervals.ts'

t.setTimeout(300_000)

const host = createHost()
const visible = { visible: true } as const
const holder = new URL('./support/visible-lock-holder.ts', import.meta.url)

function start(t: Test, folder: string, ...args: readonly string[]): ChildProcess {
  const child = fork(holder, [folder, ...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** Returns the file that this package and proper-lockfile lock. */
function fileIn(t: Test): string {
  return `${t.testdir({ config: 'text' })}/config`
}

void t.test('proper-lockfile waits for a visible lock', async (t) => {
  const file = fileIn(t)
  const held = await host.lock(file, visible)
  t.equal(await check(file), true)
  await t.rejects(lock(file), { code: 'ELOCKED' })
  await held.release()
  t.equal(await check(file), false)
  const release = await lock(file)
  await release()
  t.equal(readFileSync(file, 'utf8'), 'text', 'the file is not written')
  t.strictSame(readdirSync(t.testdirName).toSorted(), ['config', 'config.flock'])
})

void t.test('lock() waits for a lock of proper-lockfile', async (t) => {
  const file = fileIn(t)
  const release = await lock(file)
  await t.rejects(host.lock(file, { ...visible, timeout: 0 }), {
    code: 'HOST_LOCK_TIMEOUT',
    message: /another program holds the lock of proper-lockfile/,
  })
  const waiting = host.lock(file, { ...visible, timeout: 60_000 })
  await sleep(50)
  await release()
  await (await waiting).release()
  t.equal(existsSync(`${file}.lock`), false)
})

void t.test('a held lock is refreshed often enough for the smallest `stale` of proper-lockfile', async (t) => {
  const file = fileIn(t)
  const held = await host.lock(file, visible)
  const begun = lstatSync(`${file}.lock`).mtimeMs
  while (lstatSync(`${file}.lock`).mtimeMs < begun + 2500) {
    await t.rejects(lock(file, { stale: 2000 }), { code: 'ELOCKED' })
    await sleep(100)
  }
  t.equal(held.lost.aborted, false)
  await held.release()
})

void t.test('lock() takes the folder of a killed process at once', async (t) => {
  const file = fileIn(t)
  const child = start(t, t.testdirName, 'ours', '1000000')
  await once(child, 'message')
  await t.rejects(host.lock(file, { ...visible, timeout: 0 }), { code: 'HOST_LOCK_TIMEOUT' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(await check(file), true, 'its folder exists and is fresh')
  const held = await host.lock(file, { ...visible, timeout: 0 })
  t.equal(await check(file), true)
  await held.release()
})

void t.test('a folder of another program is stale after ten seconds without a refresh', async (t) => {
  const file = fileIn(t)
  mkdirSync(`${file}.lock`)
  const made = (secondsAgo: number) => {
    const time = new Date(Date.now() - secondsAgo * 1000)
    utimesSync(`${file}.lock`, time, time)
  }
  for (const secondsAgo of [0, 5, -3600]) {
    made(secondsAgo)
    await t.rejects(host.lock(file, { ...visible, timeout: 0 }), { code: 'HOST_LOCK_TIMEOUT' }, `${secondsAgo} s`)
  }
  made(11)
  await (await host.lock(file, { ...visible, timeout: 0 })).release()
  t.equal(existsSync(`${file}.lock`), false)
})

void t.test('`lost` is aborted when another program takes the lock, and release() leaves its folder', async (t) => {
  // The lock itself does not keep this process alive.
  const awake = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(awake))
  const file = fileIn(t)
  const held = await host.lock(file, visible)
  rmdirSync(`${file}.lock`)
  mkdirSync(`${file}.lock`)
  await once(held.lost, 'abort')
  t.match(held.lost.reason, { code: 'HOST_LOCK_LOST' })
  await t.rejects(host.lock(file, { ...visible, timeout: 0 }), { code: 'HOST_LOCK_TIMEOUT' }, 'flock is still held')
  await held.release()
  t.equal(existsSync(`${file}.lock`), true)

  const again = fileIn(t)
  const other = await host.lock(again, visible)
  rmdirSync(`${again}.lock`)
  await once(other.lost, 'abort')
  await other.release()
})

void t.test('lock() follows links as proper-lockfile does, but not out of a root folder', async (t) => {
  const folder = t.testdir({ real: { config: 'text' }, outside: {}, root: {} })
  symlinkSync('real/config', `${folder}/link`)
  symlinkSync('real', `${folder}/folder`)
  const held = await host.lock(`${folder}/link`, visible)
  await t.rejects(lock(`${folder}/real/config`), { code: 'ELOCKED' })
  await t.rejects(host.lock(`${folder}/folder/config`, { ...visible, timeout: 0 }), { code: 'HOST_LOCK_TIMEOUT' })
  await held.release()
  t.equal(await resolveLinks(`${folder}/folder/none`), `${folder}/real/none`)
  await t.rejects(resolveLinks(`${folder}/none/none`), { code: 'HOST_LOCK_FAILED' })
  await t.rejects(resolveLinks(`${folder}/link/below`), { code: 'HOST_LOCK_FAILED' })
  symlinkSync('../outside', `${folder}/root/etc`)
  const rooted = createHost({ root: `${folder}/root` })
  for (const options of [visible, {}])
    await t.rejects(rooted.lock('/etc/config', options), { code: 'HOST_PATH_OUTSIDE_ROOT' })
  t.strictSame(readdirSync(`${folder}/outside`), [])
})

void t.test('holdFolder() reports why it cannot create the folder', async (t) => {
  const folder = t.testdir({ file: '', full: { x: '' } })
  await t.rejects(holdFolder(`${folder}/file`, 0), {
    code: 'HOST_LOCK_FAILED',
    message: /exists and is not a folder/,
  })
  await t.rejects(holdFolder(`${folder}/no/such`, 0), { code: 'HOST_LOCK_FAILED', facts: { errno: 'ENOENT' } })
  utimesSync(`${folder}/full`, new Date(0), new Date(0))
  await t.rejects(holdFolder(`${folder}/full`, 0), { code: 'HOST_LOCK_FAILED', facts: { errno: 'ENOTEMPTY' } })
  await t.rejects(holdFolder(`${folder}/x`, 0, AbortSignal.abort()), { code: 'HOST_ABORTED' })
  const held = await holdFolder(`${folder}/x`, 0)
  await held.release()
  await held.release()
})

void t.test(
  'two processes of this package, killed at random, and two of proper-lockfile: never two holders',
  async (t) => {
    const folder = t.testdir({ config: '' })
    writeFileSync(`${folder}/log`, '')
    const kinds = ['ours', 'ours', 'theirs', 'theirs']
    const running = kinds.map((kind) => ({ kind, child: start(t, folder, kind) }))
    const kills: string[] = []
    const pidsOf = new Map<string, Set<number>>([['ours', new Set()], ['theirs', new Set()]]) // prettier-ignore
    for (const { kind, child } of running) pidsOf.get(kind)?.add(child.pid ?? 0)
    const intervals = () => parseIntervals(readFileSync(`${folder}/log`, 'utf8'), kills)
    const holdsOf = (kind: string) => intervals().filter(({ pid }) => pidsOf.get(kind)?.has(pid) === true).length
    while (holdsOf('ours') < 40 || holdsOf('theirs') < 40 || kills.length < 5) {
      await sleep(100 + Math.random() * 200)
      if (kills.length >= 12) continue
      const victim = running[Math.floor(Math.random() * 2)]
      if (victim === undefined) continue
      kills.push(`kill ${victim.child.pid} ${process.hrtime.bigint()}`)
      victim.child.kill('SIGKILL')
      await once(victim.child, 'exit')
      victim.child = start(t, folder, 'ours')
      pidsOf.get('ours')?.add(victim.child.pid ?? 0)
    }
    for (const { child } of running) {
      kills.push(`kill ${child.pid} ${process.hrtime.bigint()}`)
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    t.strictSame(overlaps(intervals()), [], `no two holders at once in ${intervals().length} holds`)
  },
)

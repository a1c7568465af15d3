import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { createHost } from '@puppy/host'
import { CgroupError, openCgroups, readUsage, watchGroups, type CgroupEvent } from '../../src/index.ts'
import { eventually, textOf, whyNot } from '../support/tenants.ts'

const host = createHost()
const cgroups = openCgroups(host)
const skip = await whyNot(host, 'python3')
const base = `puppy-live-${process.pid}`
t.setTimeout(600_000)
t.teardown(() => (skip === false ? cgroups.remove(base, { kill: true }) : undefined))

const MiB = 1024 ** 2
const children: ChildProcess[] = []
t.teardown(() => children.map((child) => child.kill('SIGKILL')))
function start(...command: readonly [string, ...string[]]): number {
  const child = spawn(command[0], command.slice(1), { stdio: 'ignore' })
  children.push(child)
  return child.pid ?? 0
}

void t.test('openCgroups() limits, freezes, kills and removes a real group', { skip }, async (t) => {
  const path = `${base}/life`
  const limits = {
    cpu: { max: 0.333, weight: 77, burst: 1000 },
    cpuset: { cpus: '0' },
    memory: { low: 1 * MiB, high: 99_999_999, max: 200_000_001, swapMax: 0, oomGroup: true },
    pids: { max: 30 },
    io: { weight: 300, max: [{ device: '/', rbps: 10 * MiB, wiops: 100 }] },
  }
  t.equal((await cgroups.create(path, limits)).changed, true)
  t.equal((await cgroups.create(path, limits)).changed, false, 'rounded values are equal to the spec')
  const { cpu, memory, io } = cgroups.limits(path)
  t.match({ cpu, memory }, { cpu: { max: 0.34, weight: 77, burst: 1000 }, memory: { swapMax: 0, oomGroup: true } })
  t.matchOnlyStrict(io?.max, [{ device: /^\d+:\d+$/, rbps: 10 * MiB, wbps: 'max', riops: 'max', wiops: 100 }])
  await cgroups.limit(path, { cpu: { max: 'max' }, io: { max: [{ device: '/', rbps: 'max', wiops: 'max' }] } })
  t.strictSame(cgroups.limits(path).io?.max, [])
  await cgroups.limit(path, { cpu: { idle: true } })
  t.equal(cgroups.limits(path).cpu?.idle, true)

  const pid = start('/usr/bin/sleep', '600')
  await cgroups.add(path, pid)
  t.equal(await cgroups.groupOf(pid), path)
  await cgroups.freeze(path)
  t.strictSame(cgroups.state(path), { populated: true, frozen: true })
  await t.rejects(cgroups.add(path, start('/usr/bin/sleep', '600')), { code: 'CGROUP_BUSY', message: /frozen/ })
  await t.rejects(cgroups.remove(path), { code: 'CGROUP_BUSY' })
  await cgroups.kill(path)
  t.strictSame(cgroups.processes(path), [], 'frozen processes are killed')
  await cgroups.thaw(path)
  t.strictSame(await cgroups.remove(path), { changed: true })
  t.equal((await readUsage(host, [path])).get(path), undefined)
})

void t.test('limit() and add() refuse invalid input, and report refusals of the kernel', { skip }, async (t) => {
  const path = `${base}/bad`
  await cgroups.create(path, { pids: { max: 10 }, memory: { max: 100 * MiB } })
  const before = cgroups.limits(path)
  const attempt = (limits: Parameters<typeof cgroups.limit>[1]) => cgroups.limit(path, { pids: { max: 7 }, ...limits })
  await t.rejects(attempt({ raw: { 'memory.high': 'nonsense' } }), {
    code: 'CGROUP_REFUSED',
    facts: { errno: 'EINVAL', value: 'nonsense' },
  })
  await t.rejects(attempt({ hugetlb: { '2MB': 0 } }), { code: 'CGROUP_REFUSED', message: /not enabled/ })
  await t.rejects(attempt({ io: { max: [{ device: '/proc', rbps: 1 }] } }), { code: 'CGROUP_INVALID' })
  await t.rejects(attempt({ cpuset: { cpus: '999' } }), CgroupError)
  t.strictSame(cgroups.limits(path), before, 'all or none')
  await t.rejects(cgroups.limit(`${base}/gone`, { pids: { max: 1 } }), { code: 'CGROUP_GONE' })
  await t.rejects(cgroups.add(path, 2 ** 22), { code: 'CGROUP_GONE', facts: { errno: 'ESRCH' } })
  const pid = start('/usr/bin/sleep', '600')
  await cgroups.add(path, pid)
  await t.rejects(cgroups.create(`${path}/inner`, { memory: { max: MiB } }), {
    code: 'CGROUP_BUSY',
    message: new RegExp(`\\(${pid}\\)`),
  })
  await cgroups.create(`${base}/outer/inner`, { memory: { max: 50 * MiB } })
  await t.rejects(cgroups.add(`${base}/outer`, pid), {
    code: 'CGROUP_BUSY',
    message: /cannot have processes itself/,
  })
  t.equal(await cgroups.moveAll(path, `${base}/outer/inner`), 1)
})

void t.test(
  'limit() lowers memory.max without killing a process: it reclaims caches, or refuses',
  { skip },
  async (t) => {
    const path = `${base}/shrink`
    await cgroups.create(path, { memory: { max: 300 * MiB, swapMax: 0 } })
    const program = `import time,os
x=bytearray(40<<20)
f=open('/var/tmp/${base}','wb'); f.write(b'x'*(80<<20)); f.flush(); os.fsync(f.fileno())
open('/var/tmp/${base}','rb').read()
open('/var/tmp/${base}.ready','w')
time.sleep(600)`
    t.teardown(async () => {
      await host.remove(`/var/tmp/${base}`)
      await host.remove(`/var/tmp/${base}.ready`)
    })
    await cgroups.add(path, start('/bin/sh', '-c', `sleep 1; exec python3 -c "${program}"`))
    await eventually(async () => (await host.status(`/var/tmp/${base}.ready`)) !== undefined)
    const used = () => textOf(host, `/sys/fs/cgroup/${path}/memory.current`).then(Number)
    const before = await used()
    t.ok(before > 100 * MiB)
    await cgroups.limit(path, { memory: { max: 100 * MiB } })
    t.ok((await used()) <= 100 * MiB)
    await t.rejects(cgroups.limit(path, { memory: { max: 20 * MiB } }, { reclaimTimeout: 1500 }), {
      code: 'CGROUP_REFUSED',
      message: /in use/,
    })
    t.match(cgroups.limits(path).memory, { max: 100 * MiB, high: 'max' }, 'as before')
    const usage = (await readUsage(host, [path])).get(path)
    t.equal(usage?.memory?.events?.oomKill, 0n, 'no process was killed')
    t.comment(`shrunk from ${Math.round(before / MiB)} MiB to ${Math.round((await used()) / MiB)} MiB`)
  },
)

void t.test(
  'watchGroups() yields the events of the kernel, also for groups that are created later',
  { skip },
  async (t) => {
    const path = `${base}/events`
    const stop = new AbortController()
    const seen: CgroupEvent[] = []
    const watching = (async () => {
      for await (const event of watchGroups(host, [path], { signal: stop.signal, interval: 1000 })) seen.push(event)
    })()
    await cgroups.create(path, { pids: { max: 4 }, memory: { max: 30 * MiB, swapMax: 0 }, cpu: { max: 0.5 } })
    const fork = `import os,time
for i in range(20):
  try:
    if os.fork()==0: time.sleep(60); os._exit(0)
  except OSError: pass
x=bytearray(90<<20)`
    await cgroups.add(path, start('/bin/sh', '-c', `sleep 1; exec python3 -c "${fork}"`))
    const kinds = () => [...new Set(seen.map(({ kind }) => kind))].toSorted()
    await eventually(() =>
      ['memoryMax', 'oomKilled', 'pidsRefused', 'populated', 'throttled'].every((kind) =>
        kinds().includes(kind as 'populated'),
      ),
    )
    await cgroups.remove(path, { kill: true })
    await eventually(() => kinds().includes('emptied'))
    stop.abort()
    await watching
    t.strictSame(kinds(), ['emptied', 'memoryMax', 'oomKilled', 'pidsRefused', 'populated', 'throttled'])
    t.ok(seen.length < 100, `${seen.length} events, which is not a flood`)
  },
)

void t.test('random operations leave no group and no process behind', { skip }, async (t) => {
  const names = Array.from({ length: 8 }, (_, n) => `${base}/random/g${n}`)
  await cgroups.create(`${base}/random`)
  const one = (): string => names[Math.floor(Math.random() * names.length)] ?? ''
  const surprises: unknown[] = []
  const counts = { done: 0, refused: 0 }
  const operations = process.env['TEST_FULL'] === '1' ? 10_000 : 200
  const act = async (): Promise<unknown> => {
    const dice = Math.random()
    if (dice < 0.4) return cgroups.create(one(), { pids: { max: 20 } })
    if (dice < 0.55) return cgroups.add(one(), start('/usr/bin/sleep', '300'))
    if (dice < 0.65) return cgroups.kill(one())
    if (dice < 0.75) return cgroups.moveAll(one(), one(), { timeout: 20 })
    if (dice < 0.85) return readUsage(host, [one()])
    return cgroups.remove(one(), { kill: Math.random() < 0.7 })
  }
  const worker = async () => {
    while (counts.done < operations) {
      counts.done += 1
      try {
        await act()
      } catch (error) {
        counts.refused += 1
        if (!(error instanceof CgroupError)) surprises.push(error)
      }
    }
  }
  const began = performance.now()
  await Promise.all([worker(), worker(), worker()])
  const seconds = (performance.now() - began) / 1000
  t.comment(
    `${counts.done} operations in ${seconds.toFixed(1)} s, ${Math.round(counts.done / seconds)} each second; ${counts.refused} refused`,
  )
  t.strictSame(surprises, [])
  t.ok(counts.refused < counts.done)
  await cgroups.remove(`${base}/random`, { kill: true })
  t.equal(cgroups.exists(`${base}/random`), false)
  for (const child of children) child.kill('SIGKILL')
  const running = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
  await Promise.all(running.map((child) => once(child, 'exit')))
  t.strictSame(cgroups.processes(base, { recursive: true }), [])
})

import { matchWhole } from '@puppy/host/testing'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createHost } from '@puppy/host'
import { openSlices, readUsage, type Usage } from '../../../src/index.ts'
import { findDisk } from '../../../src/limits/device.ts'
import { installCrontab, installPamProfile, removeCrontab } from '../../support/pam.ts'
import { installRunner, openRunner, runnerFile, type Runner } from '../../support/runner.ts'
import { createTenants, eventually, whyNot, type Tenant } from '../../support/tenants.ts'

const host = createHost()
const slices = openSlices(host, { runFolder: '/run/puppy-cgroups-live' })
const needed = ['python3', 'ssh', 'useradd', 'cron', 'crontab', 'pam-auth-update', 'stress-ng']
const skip = await whyNot(host, ...needed)
const MiB = 1024 ** 2
const disk = (await findDisk(host, '/home')) ?? ''
const maximum = { cores: 0.4, memory: 120 * MiB, pids: 40, bytes: 1 * MiB }
/** The duration of a measurement, in seconds. */
const window = 20

t.setTimeout(1_500_000)

/** The stress-ng options of each attack of tenant A. An attack lasts longer than its measurement. */
const attacks = {
  'busy loop': '--cpu 3',
  'fork storm': '--fork 8 --fork-max 64',
  'memory bomb': '--vm 2 --vm-bytes 800M --vm-keep',
  'io flood': '--hdd 1 --hdd-bytes 32M --hdd-write-size 64K --hdd-opts direct,wr-seq',
} as const
type Attack = keyof typeof attacks

const latency = `python3 -c "
import os,time
took=[]
for turn in range(41):
  t=time.monotonic(); os.waitpid(os.posix_spawn('/bin/true',['true'],{}),0); took.append(time.monotonic()-t); time.sleep(.2)
took=sorted(took)
print(round(took[20]*1000,1),round(took[36]*1000,1))
"`

interface Seen {
  readonly cores: number
  readonly memory: number
  readonly pids: number
  readonly written: number
  readonly read: number
  readonly usage: Usage | undefined
  readonly latency: string
}

void t.test('a tenant stays within its limits during each attack, and its neighbour can work', { skip }, async (t) => {
  const [a, b] = (await createTenants(t, host, [10_941, 10_942])) as [Tenant, Tenant]
  const runners: Runner[] = []
  const sessions: Promise<string>[] = []
  t.teardown(async () => {
    for (const runner of runners) await runner.end()
    await removeCrontab(host, a.name)
    await slices.remove([a.slice, b.slice])
  })
  await installPamProfile(t, host)
  const { cores, memory, pids } = maximum
  const limits = {
    cpu: { max: cores },
    memory: { max: memory, swapMax: 0 },
    pids: { max: pids },
    io: { max: [{ device: disk, wbps: maximum.bytes, rbps: maximum.bytes }] },
  }
  const wide = { memory: { max: 400 * MiB }, pids: { max: 200 } }
  const both = [
    { slice: a.slice, limits },
    { slice: b.slice, limits: wide },
  ]
  const { results } = await slices.ensure(both)
  matchWhole(t, results, [{ status: 'armed' }, { status: 'armed' }])

  for (const tenant of [a, b]) await installRunner(host, tenant)
  const open = async (tenant: Tenant, way: string, timeout = 90_000) => {
    const runner = await openRunner(host, tenant, way, timeout)
    runners.push(runner)
    return runner
  }
  await installCrontab(host, a.name, `test -e cron.where || exec python3 ${runnerFile} cron`)
  sessions.push(a.ssh(`exec python3 ${runnerFile} ssh`, 1_400_000), b.ssh(`exec python3 ${runnerFile} ssh`, 1_400_000))
  const neighbour = await open(b, 'ssh')
  const bySsh = await open(a, 'ssh')
  await a.ssh(`systemd-run --user --quiet --same-dir -p OOMPolicy=continue python3 ${runnerFile} service`)
  const ways = { ssh: bySsh, service: await open(a, 'service'), cron: await open(a, 'cron', 150_000) }
  // Another cron job would enter the slice from outside, and pids.max does not refuse that.
  await removeCrontab(host, a.name)
  t.match(ways.ssh.where, `/${a.path}/session-`)
  t.match(ways.service.where, `/${a.path}/user@${a.uid}.service/`)
  t.match(ways.cron.where, `/${a.path}/session-`)
  matchWhole(t, (await slices.ensure([{ slice: a.slice, limits }])).results, [{ status: 'applied' }])

  const read = async () => (await readUsage(host, [a.path])).get(a.path)
  const watch = async (attack: Attack, runner: Runner): Promise<Seen> => {
    const before = await read()
    const evidence = evidenceOf(attack)
    await runner.start(
      `cd /home/${a.name} && timeout -k 1 ${window + 25} stress-ng ${attacks[attack]} --temp-path . --timeout ${window + 15}`,
    )
    await eventually(async () => evidence(await read()) > evidence(before), 30_000)
    await neighbour.start(latency)
    const [first, began] = [await read(), performance.now()]
    let [most, many] = [0, 0]
    while (performance.now() - began < window * 1000) {
      const now = (await readUsage(host, [a.path], { parts: ['memory', 'pids'] })).get(a.path)
      most = Math.max(most, Number(now?.memory?.current ?? 0n))
      many = Math.max(many, Number(now?.pids?.current ?? 0n))
      await sleep(250)
    }
    const [usage, seconds] = [await read(), (performance.now() - began) / 1000]
    const took = await neighbour.finished()
    await runner.finished()
    const bytes = (key: 'rbytes' | 'wbytes') => (sum(usage, key) - sum(first, key)) / seconds
    return {
      cores: (Number(usage?.cpu?.usageUsec ?? 0n) - Number(first?.cpu?.usageUsec ?? 0n)) / 1e6 / seconds,
      memory: Math.max(most, Number(usage?.memory?.peak ?? 0n)),
      pids: Math.max(many, Number(usage?.pids?.peak ?? 0n)),
      written: bytes('wbytes'),
      read: bytes('rbytes'),
      usage,
      latency: took.split('\n')[1] ?? '',
    }
  }

  await sleep(5000)
  await neighbour.start(latency)
  t.comment(`small task of B, ms, median and 9th of ten: idle host ${(await neighbour.finished()).split('\n')[1]}`)
  for (const attack of Object.keys(attacks) as Attack[]) {
    for (const [way, runner] of Object.entries(ways)) {
      const row = `${attack} by ${way}`
      const before = await read()
      let seen = await watch(attack, runner)
      // An emulated host that is short of processor time cannot provide as much as the limit.
      for (let turn = 0; turn < 2 && attack === 'busy loop' && seen.cores < cores * 0.95; turn += 1) {
        t.comment(`${row}: ${seen.cores.toFixed(3)} cores is all that the host provided; trying again`)
        seen = await watch(attack, runner)
      }
      t.comment(
        `${row}: cores ${seen.cores.toFixed(3)}, memory at most ${(seen.memory / MiB).toFixed(1)} MiB, pids at most ${seen.pids}, ` +
          `io MiB/s written ${(seen.written / MiB).toFixed(2)} read ${(seen.read / MiB).toFixed(2)}, small task of B ${seen.latency} ms`,
      )
      t.ok(seen.cores <= cores * 1.05, `${row}: no more than its cores`)
      t.ok(seen.memory <= memory, `${row}: no more than its memory`)
      t.ok(seen.pids <= pids, `${row}: no more than its processes`)
      t.ok(Math.max(seen.written, seen.read) <= maximum.bytes * 1.05, `${row}: no more than its bytes per second`)
      const grew = evidenceOf(attack)
      t.ok(grew(seen.usage) > grew(before), `${row}: the attack had an effect`)
      if (attack === 'busy loop') t.ok(Math.abs(seen.cores / cores - 1) <= 0.05, `${row}: within 5 % of its cores`)
      if (attack === 'io flood')
        t.ok(seen.written > maximum.bytes * 0.5, `${row}: the attack wrote enough to be limited`)
    }
  }
  for (const runner of runners) await runner.end()
  await Promise.all(sessions)
})

/** Returns the counter that grows when an attack runs and reaches its limit. */
function evidenceOf(attack: Attack): (usage: Usage | undefined) => number {
  const of = {
    'busy loop': (usage: Usage | undefined) => usage?.cpu?.nrThrottled,
    'fork storm': (usage: Usage | undefined) => usage?.pids?.refused,
    'memory bomb': (usage: Usage | undefined) => usage?.memory?.events?.oomKill,
    'io flood': (usage: Usage | undefined) => BigInt(Math.floor(sum(usage, 'wbytes') / MiB)),
  }[attack]
  return (usage) => Number(of(usage) ?? 0n)
}

/**
 * Returns a counter of the disk of the homes. Only this disk is limited. Programs that are read again because of lack of memory come from
 * another disk.
 */
function sum(usage: Usage | undefined, key: 'rbytes' | 'wbytes'): number {
  return Number(usage?.io?.get(disk)?.[key] ?? 0)
}

import { matchWhole } from '@puppy/host/testing'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createHost } from '@puppy/host'
import { openSlices, readUsage, type SliceSpec } from '../../../src/index.ts'
import { bomb, createTenants, eventually, storm, textOf, whyNot, type Tenant } from '../../support/tenants.ts'

const host = createHost()
const skip = await whyNot(host, 'python3', 'ssh', 'useradd')
const runFolder = '/run/puppy-cgroups-live'
const slices = openSlices(host, { runFolder })
const MiB = 1024 ** 2
const maximum = { pids: 40, memory: 120 * MiB, cores: 0.2 }
const specOf = ({ slice }: Tenant): SliceSpec => ({
  slice,
  limits: { cpu: { max: maximum.cores }, memory: { max: maximum.memory, swapMax: 0 }, pids: { max: maximum.pids } },
})
const run = (program: string, ...args: readonly string[]) =>
  host.run([host.program(program) ?? program, ...args], {
    touches: 'machine',
    timeout: 60_000,
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  })

t.setTimeout(600_000)

void t.test('a tenant stays within its limits in an ssh session and in a user service', { skip }, async (t) => {
  const [a] = (await createTenants(t, host, [10_911])) as [Tenant]
  t.teardown(() => slices.remove([a.slice]))
  const read = async () => (await readUsage(host, [a.path])).get(a.path)
  const held = async (how: string) => {
    const usage = await read()
    t.ok(
      Number(usage?.memory?.peak) <= maximum.memory,
      `${how}: memory at most ${usage?.memory?.peak} of ${maximum.memory}`,
    )
    t.ok(Number(usage?.pids?.peak) <= maximum.pids, `${how}: pids at most ${usage?.pids?.peak} of ${maximum.pids}`)
    return usage
  }
  matchWhole(t, (await slices.ensure([specOf(a)])).results, [{ status: 'armed' }])
  // Lingering keeps the slice and its counters between sessions.
  await run('loginctl', 'enable-linger', a.name)
  t.match(await a.ssh('cat /proc/self/cgroup'), `/${a.path}/session-`)
  matchWhole(t, (await slices.ensure([specOf(a)])).results, [{ status: 'applied', changed: false }])
  const mine = { mode: 0o644, uid: a.uid, gid: a.uid }
  await host.replace(`/home/${a.name}/storm.py`, storm, mine)
  await host.replace(`/home/${a.name}/bomb.py`, bomb, mine)

  t.match(await a.ssh('python3 storm.py'), /made \d+ refused [1-9]/)
  t.notMatch(await a.ssh('python3 bomb.py'), /survived/)
  const first = await held('ssh')
  t.ok((first?.memory?.events?.oomKill ?? 0n) > 0n, 'the bomb was killed')
  const said = await a.ssh(
    "systemd-run --user --quiet --wait --pipe --same-dir sh -c 'cat /proc/self/cgroup; python3 storm.py; python3 bomb.py || echo killed'",
  )
  t.match(said, new RegExp(`/${a.path}/user@${a.uid}\\.service/[\\s\\S]*refused [1-9][\\s\\S]*killed`))
  const last = await held('user service')
  t.ok((last?.memory?.events?.oomKill ?? 0n) > (first?.memory?.events?.oomKill ?? 0n))
  t.comment(
    `forks refused ${last?.pids?.refused}, oom kills ${last?.memory?.events?.oomKill}, throttled ${last?.cpu?.nrThrottled} of ${last?.cpu?.nrPeriods} periods`,
  )
})

void t.test('a busy loop is limited to its cores, and changes apply to a slice in use at once', { skip }, async (t) => {
  const [a, b] = (await createTenants(t, host, [10_914, 10_915])) as [Tenant, Tenant]
  t.teardown(() => slices.remove([a.slice, b.slice]))
  await slices.ensure([specOf(a), specOf(b)])
  await run('loginctl', 'enable-linger', b.name)
  const latency = `python3 -c "
import os,time
took=[]
for turn in range(15):
  t=time.monotonic(); os.waitpid(os.posix_spawn('/bin/true',['true'],{}),0); took.append(time.monotonic()-t)
print(round(sorted(took)[7]*1000,1))
"`
  const idle = Number(await b.ssh(latency))
  const loop = a.ssh('for n in 1 2 3; do timeout 70 sh -c "while :; do :; done" & done; wait', 120_000)
  const cpu = async () =>
    Number((await readUsage(host, [a.path], { parts: ['cpu'] })).get(a.path)?.cpu?.usageUsec ?? 0n)
  await eventually(async () => (await cpu()) > 500_000)
  const [started, before] = [performance.now(), await cpu()]
  const busy = Number(await b.ssh(latency))
  await sleep(Math.max(0, 20_000 - (performance.now() - started)))
  const share = ((await cpu()) - before) / 1000 / (performance.now() - started)
  t.ok(Math.abs(share / maximum.cores - 1) <= 0.05, `${share.toFixed(4)} cores in 20 s, the limit is ${maximum.cores}`)
  t.comment(`a small process of a neighbour takes ${busy} ms, ${idle} ms on an idle machine`)

  const change = slices.ensure([{ slice: a.slice, limits: { cpu: { max: 0.1 }, pids: { max: 50 } } }])
  const asked = performance.now()
  const doubled = openSlices(host, { runFolder: `${runFolder}-b` }).ensure([specOf(b)])
  await change
  const took = performance.now() - asked
  await doubled
  t.equal(await textOf(host, `/sys/fs/cgroup/${a.path}/cpu.max`), '10000 100000')
  const other = { slice: a.slice, limits: { cpu: { max: 0.3 }, pids: { max: 50 } } }
  const again = performance.now()
  const [effective] = await Promise.all([
    eventually(async () => (await textOf(host, `/sys/fs/cgroup/${a.path}/cpu.max`)) === '30000 100000').then(
      () => performance.now() - again,
    ),
    slices.ensure([other]),
  ])
  t.comment(
    `a change applies after ${Math.round(effective)} ms and the call ends after ${Math.round(performance.now() - again)} ms; ` +
      `removing limits takes ${Math.round(took)} ms`,
  )
  await run('systemctl', 'kill', '--signal=KILL', a.slice)
  await loop
})

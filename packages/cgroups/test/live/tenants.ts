import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createHost } from '@puppy/host'
import {
  ensureSlices,
  readStrays,
  readUsage,
  removeSlices,
  renderPamProfile,
  type WantedSlice,
} from '../../src/index.ts'
import { createTenants, eventually, group, textOf, whyNot, type Tenant } from '../support/tenants.ts'

const host = createHost()
const skip = await whyNot(host, 'python3', 'ssh', 'cron', 'pam-auth-update', 'useradd')
const options = { runFolder: '/run/puppy-cgroups-live' }
const MiB = 1024 ** 2
const maximum = { pids: 40, memory: 120 * MiB, cores: 0.2 }
const wanted = ({ slice }: Tenant): WantedSlice => ({
  slice,
  limits: { cpu: { max: maximum.cores }, memory: { max: maximum.memory, swapMax: 0 }, pids: { max: maximum.pids } },
})
const run = (program: string, ...args: readonly string[]) =>
  host.run([host.program(program) ?? program, ...args], {
    touches: 'machine',
    timeout: 60_000,
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  })

/** Each prints what it could do. None goes on by itself for long. */
const storm = `python3 -c "
import os,time
made=refused=0
for turn in range(120):
  try:
    if os.fork()==0: time.sleep(6); os._exit(0)
    made+=1
  except OSError: refused+=1
print('made',made,'refused',refused)
"`
const bomb = `python3 -c "x=bytearray(400<<20); print('survived')"; echo ended`
const where = 'cat /proc/self/cgroup'

t.setTimeout(175_000)

void t.test('a tenant is held at its limits by ssh, by user service and by cron', { skip }, async (t) => {
  const [a, b] = (await createTenants(t, host, [10_911, 10_912])) as [Tenant, Tenant]
  const [other] = (await createTenants(t, host, [10_913], 'users')) as [Tenant]
  const profile = '/usr/share/pam-configs/puppy-cgroups-live'
  const jobs = '/etc/cron.d/puppy-cgroups-live'
  t.teardown(async () => {
    await host.remove(jobs)
    await run('pam-auth-update', '--package', '--remove', 'puppy-cgroups-live')
    await host.remove(profile)
    await run('pam-auth-update', '--package')
    await removeSlices(host, [a.slice, b.slice], options)
  })
  await host.replace(profile, renderPamProfile({ group, title: 'Slices of the live test' }), { mode: 0o644 })
  await run('pam-auth-update', '--package')
  t.match(await textOf(host, '/etc/pam.d/common-session-noninteractive'), new RegExp(`ingroup ${group}`))

  const usage = async () => (await readUsage(host, [a.path])).get(a.path)
  const held = async (how: string) => {
    const now = await usage()
    t.ok(
      Number(now?.memory?.peak) <= maximum.memory,
      `${how}: memory never above ${maximum.memory}, ${now?.memory?.peak} at most`,
    )
    t.ok(
      Number(now?.pids?.peak) <= maximum.pids,
      `${how}: pids never above ${maximum.pids}, ${now?.pids?.peak} at most`,
    )
    return now
  }

  t.match((await ensureSlices(host, [wanted(a), wanted(b)], options)).results, [
    { status: 'armed' },
    { status: 'armed' },
  ])
  await host.replace(
    jobs,
    `* * * * * ${a.name} ${where} > ~/cron.where; sleep 4; ${storm.replaceAll('\n', ' ').replace(/python3.*/, 'python3 ~/storm.py')} > ~/cron.storm 2>&1; python3 ~/bomb.py; echo ended > ~/cron.bomb\n` +
      `* * * * * ${other.name} ${where} > ~/cron.where; sleep 20\n`,
    { mode: 0o644 },
  )
  const code = (script: string) => /"([\s\S]*)"/.exec(script)?.[1] ?? ''
  const mine = { mode: 0o644, uid: a.uid, gid: a.uid }
  await host.replace(`/home/${a.name}/storm.py`, code(storm), mine)
  await host.replace(`/home/${a.name}/bomb.py`, 'x=bytearray(400<<20)\n', mine)

  // cron's turn comes at the next full minute, so it is first; a session of the tenant keeps the slice and its counters.
  await run('loginctl', 'enable-linger', a.name)
  await eventually(
    async () =>
      (await textOf(host, `/home/${a.name}/cron.where`)) !== '' &&
      (await textOf(host, `/home/${other.name}/cron.where`)) !== '',
    100_000,
  )
  t.match(await textOf(host, `/home/${a.name}/cron.where`), `/${a.path}/`, 'a cron job of a tenant is in its slice')
  t.match(
    await textOf(host, `/home/${other.name}/cron.where`),
    '/system.slice/cron.service',
    'another user’s is where it was',
  )
  const strays = await readStrays(host, [a.uid, other.uid])
  t.match(strays, [{ uid: other.uid, group: /cron\.service/, advice: /renderPamProfile/ }], 'and is a stray')
  await eventually(async () => (await textOf(host, `/home/${a.name}/cron.bomb`)) !== '', 60_000)
  t.match(await textOf(host, `/home/${a.name}/cron.storm`), /made \d+ refused [1-9]/)
  const afterCron = await held('cron')
  t.ok((afterCron?.memory?.events?.oomKill ?? 0n) > 0n, 'the bomb was killed')
  await host.remove(jobs)

  t.match(await a.ssh(where), `/${a.path}/session-`)
  t.match((await ensureSlices(host, [wanted(a)], options)).results, [{ status: 'applied' }])
  t.match(await a.ssh(storm), /made \d+ refused [1-9]/)
  t.notMatch(await a.ssh(bomb), /survived/)
  await held('ssh')
  const service = await a.ssh(
    `systemd-run --user --quiet --wait --pipe sh -c '${where}; python3 storm.py; python3 bomb.py || echo killed'`,
  )
  t.match(service, new RegExp(`/${a.path}/user@${a.uid}\\.service/[\\s\\S]*refused [1-9]`))
  const last = await held('user service')
  t.comment(`forks refused ${last?.pids?.refused}, oom kills ${last?.memory?.events?.oomKill}`)
})

void t.test('a busy loop is held at its share, and changes reach a busy slice at once', { skip }, async (t) => {
  const [a, b] = (await createTenants(t, host, [10_914, 10_915])) as [Tenant, Tenant]
  t.teardown(() => removeSlices(host, [a.slice, b.slice], options))
  await ensureSlices(host, [wanted(a), wanted(b)], options)
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
  t.comment(`a neighbour's small process takes ${busy} ms, ${idle} ms on an idle machine`)

  const change = ensureSlices(host, [{ slice: a.slice, limits: { cpu: { max: 0.1 }, pids: { max: 50 } } }], options)
  const asked = performance.now()
  const doubled = ensureSlices(host, [wanted(b)], { ...options, runFolder: `${options.runFolder}-b` })
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
    ensureSlices(host, [other], options),
  ])
  t.comment(
    `a change is in force after ${Math.round(effective)} ms and the call has ended after ${Math.round(performance.now() - again)} ms; one that takes limits back: ${Math.round(took)} ms`,
  )
  await run('systemctl', 'kill', '--signal=KILL', a.slice)
  await loop
})

void t.test('memory of a busy slice shrinks without a kill, or is refused', { skip }, async (t) => {
  const [a] = (await createTenants(t, host, [10_916])) as [Tenant]
  t.teardown(() => removeSlices(host, [a.slice], options))
  const limit = (max: number) =>
    ensureSlices(host, [{ slice: a.slice, limits: { memory: { max, swapMax: 0 } } }], { ...options, timeout: 3000 })
  await limit(300 * MiB)
  const session = a.ssh(`python3 -c "
import time
x=bytearray(60<<20)
open('ready','w')
time.sleep(25)
print('alive')
"`)
  await eventually(async () => (await host.status(`/home/${a.name}/ready`)) !== undefined)
  await a.ssh('head -c 100M /dev/zero > big; cat big > /dev/null')
  const used = () => textOf(host, `/sys/fs/cgroup/${a.path}/memory.current`).then(Number)
  const before = await used()
  t.match((await limit(110 * MiB)).results, [{ status: 'applied' }])
  const after = await used()
  t.match((await limit(30 * MiB)).results, [
    { status: 'refused', error: { code: 'CGROUP_REFUSED', message: /in use/ } },
  ])
  t.equal(await textOf(host, `/sys/fs/cgroup/${a.path}/memory.max`), String(110 * MiB))
  t.equal(await textOf(host, `/sys/fs/cgroup/${a.path}/memory.high`), 'max')
  t.equal(await session, 'alive')
  t.comment(`${Math.round(before / MiB)} MiB in use, ${Math.round(after / MiB)} MiB after shrinking to 110 MiB`)
})

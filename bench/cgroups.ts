import { mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { openCgroupfs, openSlices, readUsage, type SliceSpec } from '../packages/cgroups/src/index.ts'
import { createHost } from '../packages/host/src/index.ts'
import { claimOf, median, time, type Bench, type Claim } from './claim.ts'

const count = 1000
const rounds = 3
/** How many slices today's way is measured with. All of them take minutes, so the result is multiplied. */
const sample = 20

const host = createHost()
const limited = openSlices(host, { runFolder: '/run/puppy-cgroups-bench' })
const { works } = await limited.probe()

/** Measures how long it takes to limit the slices of a full host, and to read the usage of a thousand groups. */
export const cgroups: Bench = {
  claims: ['cgroups.limit.1000', 'cgroups.stat.1000'],
  cannotRun: () => {
    if (!works || process.getuid?.() !== 0) return 'needs root, cgroup v2 and systemd'
    if (process.env['TESTBED_GUEST'] !== undefined) return undefined
    return 'limits a thousand slices of the machine, so it runs only in a guest of the testbed'
  },
  run: async () => [await measureLimits(), await measureUsage()],
}

const slices = Array.from({ length: count }, (_, n) => `puppybench-${n}.slice`)
const specOf = (pids: number): readonly SliceSpec[] =>
  slices.map((slice) => ({
    slice,
    limits: { cpu: { max: 0.5, weight: 100 }, memory: { max: 256 * 1024 ** 2 }, pids: { max: pids } },
  }))
const systemctl = (...args: readonly string[]) =>
  host.run(['/usr/bin/systemctl', ...args], { touches: 'machine', timeout: 120_000 })

async function measureLimits(): Promise<Claim> {
  const times = {
    ours: [] as number[],
    floor: [] as number[],
    files: [] as number[],
    same: [] as number[],
    today: [] as number[],
  }
  for (let round = 0; round < rounds; round += 1) {
    times.files.push(await time(async () => bareFiles()))
    const reload = await time(() => systemctl('daemon-reload'))
    times.floor.push((times.files.at(-1) ?? 0) + reload)
    for (const slice of slices) rmSync(`/etc/systemd/system/${slice}.d`, { recursive: true })
    await systemctl('daemon-reload')
    times.ours.push(await time(() => limited.ensure(specOf(100 + round))))
    times.same.push(await time(() => limited.ensure(specOf(100 + round))))
    await limited.remove(slices)
    times.today.push(await today(round))
  }
  return claimOf(
    'cgroups.limit.1000',
    { ours: median(times.ours), floor: median(times.floor), today: median(times.today) },
    {
      more: { bareFiles: median(times.files), noChange: median(times.same) },
      floorIs: `${count} drop-ins by mkdir and writeFile, without fsync (bareFiles), and one systemctl daemon-reload`,
      todayIs: `systemctl set-property with the same four limits, slice by slice (${sample} slices, times ${count / sample})`,
    },
  )
}

function bareFiles(): void {
  for (const slice of slices) {
    mkdirSync(`/etc/systemd/system/${slice}.d`)
    writeFileSync(
      `/etc/systemd/system/${slice}.d/50-puppy.conf`,
      '[Slice]\nCPUWeight=100\nCPUQuota=50%\nMemoryMax=268435456\nTasksMax=100\n',
    )
  }
}

async function today(round: number): Promise<number> {
  const some = slices.slice(0, sample)
  const properties = ['CPUWeight=100', 'CPUQuota=50%', 'MemoryMax=268435456', `TasksMax=${200 + round}`]
  const took = await time(async () => {
    for (const slice of some) await systemctl('set-property', slice, ...properties)
  })
  for (const slice of some) rmSync(`/etc/systemd/system.control/${slice}.d`, { recursive: true, force: true })
  await systemctl('daemon-reload')
  return took * (count / sample)
}

/** The files that a usage without `memory.stat` is read from. */
const files = [
  'cpu.stat',
  'memory.current',
  'memory.peak',
  'memory.swap.current',
  'memory.events',
  'pids.current',
  'pids.peak',
  'pids.events',
  'io.stat',
  'cpu.pressure',
  'memory.pressure',
  'io.pressure',
]

async function measureUsage(): Promise<Claim> {
  const root = openCgroupfs(host).mount
  const base = 'puppybench'
  const groups = Array.from({ length: count }, (_, n) => `${base}/g${n}`)
  mkdirSync(`${root}/${base}`)
  await writeFile(`${root}/${base}/cgroup.subtree_control`, '+cpu +memory +pids')
  for (const group of groups) await mkdir(`${root}/${group}`)
  try {
    const times = { ours: [] as number[], floor: [] as number[], today: [] as number[] }
    for (let round = 0; round < rounds; round += 1) {
      times.floor.push(await time(async () => readBare(root, groups)))
      times.ours.push(await time(() => readUsage(host, groups)))
      const top = ['/usr/bin/systemd-cgtop', '-n', '1', '-b', '--depth=5'] as const
      times.today.push(await time(() => host.run(top, { touches: 'nothing' })))
    }
    return claimOf(
      'cgroups.stat.1000',
      { ours: median(times.ours), floor: median(times.floor), today: median(times.today) },
      {
        more: { groupMicroseconds: (median(times.ours) * 1000) / count },
        floorIs: `readFileSync of the same ${files.length} files of ${count} groups, without parsing`,
        todayIs: 'systemd-cgtop -n 1 -b --depth=5, which reads tasks, cpu, memory and io only',
      },
    )
  } finally {
    for (const group of groups) rmdirSync(`${root}/${group}`)
    rmdirSync(`${root}/${base}`)
  }
}

function readBare(root: string, groups: readonly string[]): void {
  for (const group of groups) {
    for (const file of files) {
      try {
        readFileSync(`${root}/${group}/${file}`, 'utf8')
      } catch {
        // This controller is not enabled for the group. Our measured code finds that out too.
      }
    }
  }
}

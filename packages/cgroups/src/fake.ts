import type { FakeHost, FakeProgram } from '@puppy/host/fake'
import { createFakeCgroupfs, type FakeCgroupfs } from './fake/cgroupfs.ts'
import { createFakePortRules } from './fake/port-rules.ts'
import { ancestorsOf } from './path.ts'
import { parseDropIn } from './systemd/drop-in.ts'
import { slicePath } from './unit.ts'

/** A systemd and a cgroup tree in memory, for a fake host's `programs` and `files`. */
export interface FakeCgroups extends FakeCgroupfs {
  /** `createFakeHost({ programs: fake.programs, files: fake.files })`, and `{ kernel: fake.kernel }` in our options. */
  readonly programs: Readonly<Record<string, FakeProgram>>
  readonly files: Readonly<Record<string, string>>
  /** A session of a slice begins: systemd makes its groups, with the limits that it has read. */
  login(slice: string, pid: number): Promise<void>
}

export interface FakeOptions {
  /** Default 257, which brings nothing to the kernel at a reload; 252 does. */
  readonly version?: number
  /** Whether it was built with BPF. Default true. */
  readonly bpf?: boolean
  /** Whether walls for ports come to nothing in the kernel, whatever systemd says. Default false. */
  readonly losesPortRules?: boolean
}

const files = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/etc/systemd/system.control',
  '/run/systemd/system.control',
] as const
const mountinfo =
  '32 23 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n'
const words: Readonly<Record<string, string>> = {
  AllowedCPUs: 'cpuset.cpus',
  AllowedMemoryNodes: 'cpuset.mems',
  MemoryMin: 'memory.min',
  MemoryLow: 'memory.low',
  MemoryHigh: 'memory.high',
  MemoryMax: 'memory.max',
  MemorySwapMax: 'memory.swap.max',
  TasksMax: 'pids.max',
}

/**
 * Creates a systemd in memory, as far as slices go. It proves nothing about a machine: nothing runs in its groups. It passes the
 * same conformance suite as the real one.
 */
export function createFakeCgroups({
  version = 257,
  bpf = true,
  losesPortRules = false,
}: FakeOptions = {}): FakeCgroups {
  const fake = createFakeCgroupfs()
  const walls = createFakePortRules(fake.cgroupfs)
  let loaded = new Map<string, ReadonlyMap<string, string>>()
  let machine: FakeHost | undefined
  const reapply = async (slice: string) => {
    const path = slicePath(slice)
    const properties = loaded.get(slice) ?? new Map<string, string>()
    const controllers = [
      'cpu',
      'memory',
      'pids',
      ...([...properties.keys()].some((key) => key.startsWith('IO')) ? ['io'] : []),
      ...(properties.has('AllowedCPUs') || properties.has('AllowedMemoryNodes') ? ['cpuset'] : []),
    ]
    for (const group of ancestorsOf(path))
      await fake.cgroupfs.write(group, 'cgroup.subtree_control', controllers.map((name) => `+${name}`).join(' '))
    for (const [file, value] of writesOf(properties)) await fake.cgroupfs.write(path, file, value)
    const walled = [...loaded].flatMap(([name, has]) => (has.has('SocketBindDeny') ? [name] : []))
    if (machine !== undefined && !losesPortRules) await walls.install(machine, slice, walled)
  }
  const program: FakeProgram = async ({ args, host }) => {
    machine = host
    const [verb, ...rest] = args
    if (verb === '--version') return { stdout: `systemd ${version} (fake)\n${bpf ? '+' : '-'}BPF_FRAMEWORK\n` }
    if (verb === 'daemon-reload') {
      loaded = await load(host)
      await walls.reload(host)
      if (version < 256)
        for (const slice of loaded.keys()) if (fake.cgroupfs.exists(slicePath(slice))) await reapply(slice)
      return {}
    }
    const [unit = '', line = ''] = rest.filter((word) => !word.startsWith('--'))
    if (verb !== 'set-property' || !line.includes('=')) return { exitCode: 1, stderr: `Unknown command verb ${verb}.` }
    const [property, value] = [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const
    const folder = `${args.includes('--runtime') ? files[3] : files[2]}/${unit}.d`
    await host.makeFolder(folder)
    await host.replace(`${folder}/50-${property}.conf`, `[Slice]\n${line}\n`, { mode: 0o644 })
    loaded.set(unit, withProperty(loaded.get(unit) ?? new Map(), property, value))
    if (fake.cgroupfs.exists(slicePath(unit))) await reapply(unit)
    return {}
  }
  return Object.freeze<FakeCgroups>({
    ...fake,
    programs: { '/usr/bin/systemctl': program },
    files: { '/proc/self/mountinfo': mountinfo, '/proc/pressure/cpu': '', '/run/systemd/system/.fake': '' },
    login: async (slice, pid) => {
      if (machine !== undefined && !loaded.has(slice)) loaded = await load(machine)
      fake.place(`${slicePath(slice)}/session-${pid}.scope`, pid)
      await reapply(slice)
    },
  })
}

/** Reads the drop-ins of all slices as systemd does: sorted by their names, whatever folder they are in. */
async function load(host: FakeHost): Promise<Map<string, ReadonlyMap<string, string>>> {
  const dropIns: { readonly slice: string; readonly file: string; readonly path: string }[] = []
  for (const folder of files) {
    for (const name of (await host.list(folder)).filter((one) => one.endsWith('.slice.d'))) {
      for (const file of await host.list(`${folder}/${name}`)) {
        dropIns.push({ slice: name.slice(0, -2), file, path: `${folder}/${name}/${file}` })
      }
    }
  }
  const loaded = new Map<string, ReadonlyMap<string, string>>()
  for (const { slice, path } of dropIns.toSorted((one, other) => (one.file < other.file ? -1 : 1))) {
    for (const { property, value } of parseDropIn((await host.read(path)) ?? '')) {
      loaded.set(slice, withProperty(loaded.get(slice) ?? new Map(), property, value))
    }
  }
  return loaded
}

function withProperty(
  properties: ReadonlyMap<string, string>,
  property: string,
  value: string,
): ReadonlyMap<string, string> {
  const device = /^IO(Read|Write)/.test(property) ? ` ${value.split(' ')[0]}` : ''
  const next = new Map(properties)
  if (value === '') next.delete(property)
  else next.set(`${property}${device}`, value)
  return next
}

/** Everything that systemd has for a slice, defaults for the rest. */
function writesOf(properties: ReadonlyMap<string, string>): readonly (readonly [string, string])[] {
  const kernelWord = (value: string) => (value === 'infinity' ? 'max' : value)
  const quota = properties.get('CPUQuota')
  const weight = properties.get('CPUWeight') ?? '100'
  const devices = [...properties].flatMap(([key, value]): (readonly [string, string])[] => {
    const [, way = '', unit = ''] = /^IO(Read|Write)(Bandwidth|IOPS)Max /.exec(key) ?? []
    const [path = '', limit = ''] = value.split(' ')
    const name = `${way.charAt(0).toLowerCase()}${unit === 'IOPS' ? 'iops' : 'bps'}`
    return way === '' ? [] : [['io.max', `${path.replace('/dev/block/', '')} ${name}=${kernelWord(limit)}`]]
  })
  return [
    ['cpu.idle', weight === 'idle' ? '1' : '0'],
    ...(weight === 'idle' ? [] : [['cpu.weight', weight] as const]),
    ['cpu.max', quota === undefined ? 'max 100000' : `${Number.parseInt(quota, 10) * 1000} 100000`],
    ...Object.entries(words).flatMap(([property, file]): (readonly [string, string])[] => {
      const value = properties.get(property)
      if (value !== undefined) return [[file, kernelWord(value)]]
      if (file.startsWith('cpuset')) return []
      return [[file, file === 'memory.min' || file === 'memory.low' ? '0' : file === 'pids.max' ? '7796' : 'max']]
    }),
    ...(properties.has('IOWeight') ? [['io.weight', `default ${properties.get('IOWeight')}`] as const] : []),
    ...devices,
  ]
}

import type { FakeHost, FakeProgram } from '@puppy/host/fake'
import { createFakeCgroupfs, type FakeCgroupfs } from './fake/cgroupfs.ts'
import { createFakePortRules } from './fake/port-rules.ts'
import type { Setting } from './limits/check.ts'
import { deviceRows, plainRows } from './limits/table.ts'
import { renderSetting, type CgroupWrite } from './limits/writes.ts'
import { ancestorsOf } from './path.ts'
import { parseDropIn } from './systemd/drop-in.ts'
import { slicePath } from './unit.ts'

/** A systemd and a cgroup tree in memory, for the `programs` and `files` of a fake host. */
export interface FakeCgroups extends FakeCgroupfs {
  /** For `createFakeHost({ programs: fake.programs, files: fake.files })`. Also set `{ cgroupfs: fake.cgroupfs }` in the options here. */
  readonly programs: Readonly<Record<string, FakeProgram>>
  readonly files: Readonly<Record<string, string>>
  /** Starts a session in a slice. systemd creates the groups, with the limits that it has read. */
  login(slice: string, pid: number): Promise<void>
}

/** Options of `createFakeCgroups`. */
export interface FakeOptions {
  /** The version of systemd. 252 applies limits to the kernel at a reload, and 257 does not. Default: 257. */
  readonly version?: number
  /** Whether systemd was built with BPF. Default: true. */
  readonly bpf?: boolean
  /** Whether port rules never reach the kernel, although systemd reports them. Default: false. */
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
/**
 * Creates the part of systemd that manages slices, in memory. It passes the same conformance suite as the real systemd. No process runs in
 * its groups, so do not use it to test whether a limit holds.
 */
export function createFakeCgroups({
  version = 257,
  bpf = true,
  losesPortRules = false,
}: FakeOptions = {}): FakeCgroups {
  const fake = createFakeCgroupfs()
  const portRules = createFakePortRules(fake.cgroupfs)
  let loaded = new Map<string, ReadonlyMap<string, string>>()
  let machine: FakeHost | undefined
  const writeAll = async (slice: string) => {
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
    for (const { file, value } of writesOf(properties)) await fake.cgroupfs.write(path, file, value)
    const ruled = [...loaded].flatMap(([name, has]) => (has.has('SocketBindDeny') ? [name] : []))
    if (machine !== undefined && !losesPortRules) await portRules.install(machine, slice, ruled)
  }
  const program: FakeProgram = async ({ args, host }) => {
    machine = host
    const [verb, ...rest] = args
    if (verb === '--version') return { stdout: `systemd ${version} (fake)\n${bpf ? '+' : '-'}BPF_FRAMEWORK\n` }
    if (verb === 'daemon-reload') {
      loaded = await load(host)
      await portRules.reload(host)
      if (version < 256)
        for (const slice of loaded.keys()) if (fake.cgroupfs.exists(slicePath(slice))) await writeAll(slice)
      return {}
    }
    const [unit = '', line = ''] = rest.filter((word) => !word.startsWith('--'))
    if (verb !== 'set-property' || !line.includes('=')) return { exitCode: 1, stderr: `Unknown command verb ${verb}.` }
    const [property, value] = [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const
    const folder = `${args.includes('--runtime') ? files[3] : files[2]}/${unit}.d`
    await host.makeFolder(folder)
    await host.replace(`${folder}/50-${property}.conf`, `[Slice]\n${line}\n`, { mode: 0o644 })
    loaded.set(unit, withProperty(loaded.get(unit) ?? new Map(), property, value))
    if (fake.cgroupfs.exists(slicePath(unit))) await writeAll(unit)
    return {}
  }
  return Object.freeze<FakeCgroups>({
    ...fake,
    programs: { '/usr/bin/systemctl': program },
    files: { '/proc/self/mountinfo': mountinfo, '/proc/pressure/cpu': '', '/run/systemd/system/.fake': '' },
    login: async (slice, pid) => {
      if (machine !== undefined && !loaded.has(slice)) loaded = await load(machine)
      fake.place(`${slicePath(slice)}/session-${pid}.scope`, pid)
      await writeAll(slice)
    },
  })
}

/** Reads the drop-ins of all slices as systemd does: sorted by file name across all folders. */
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

/** The default of systemd for a slice without `TasksMax`. On a real machine it is a share of the largest number of processes. */
const defaultTasks = 7796

/** Returns everything that systemd writes for a slice: its properties, and defaults for the other files. */
function writesOf(properties: ReadonlyMap<string, string>): readonly CgroupWrite[] {
  return plainRows
    .flatMap((row): readonly Setting[] => {
      const { file, property, initial, parseProperty } = row
      const text = property === undefined ? undefined : properties.get(property)
      const value = text === undefined ? undefined : parseProperty(text)
      if (value !== undefined) return [{ row, value }]
      if (text !== undefined || !isAlwaysWritten(file)) return []
      return [{ row, value: file === 'pids.max' ? defaultTasks : initial }]
    })
    .concat(deviceRows.flatMap((row) => deviceSettings(row, properties)))
    .map(renderSetting)
}

/** Returns whether systemd always writes a file. It does not enable controllers that no property needs. */
function isAlwaysWritten(file: string): boolean {
  return ['cpu.idle', 'cpu.weight', 'cpu.max', 'pids.max'].includes(file) || /^memory\.(?!zswap|oom)/.test(file)
}

/** Returns the settings of the devices. `IOReadBandwidthMax=/dev/block/8:0 5` is one property for each device. */
function deviceSettings(row: (typeof deviceRows)[number], properties: ReadonlyMap<string, string>): readonly Setting[] {
  return [...properties].flatMap(([key, text]): readonly Setting[] => {
    const [property, path = ''] = key.split(' ')
    const value = property === row.property ? row.parseProperty(text.split(' ')[1] ?? '') : undefined
    return value === undefined ? [] : [{ row, item: `${path.replace('/dev/block/', '')} ${row.path[2]}`, value }]
  })
}

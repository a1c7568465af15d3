import { HostError, type Host } from '@puppy/host'
import { CgroupError } from './errors.ts'
import { openCgroupfs, type Cgroupfs } from './cgroupfs/cgroupfs.ts'
import { parseCgroupPath, rootPath, type CgroupPath } from './path.ts'

/** How the machine mounts cgroups: only v2 is `unified`. */
export type CgroupMode = 'unified' | 'hybrid' | 'legacy' | 'none'

export interface SystemdVersion {
  readonly version: number
  /** Whether it was built with BPF (`+BPF_FRAMEWORK`), without which slices carry no walls for ports. */
  readonly bpf: boolean
}

/** What this machine can do. */
export interface Probe {
  /** Whether the direct driver works: cgroup v2 alone. */
  readonly works: boolean
  readonly mode: CgroupMode
  readonly mount?: string
  /** What the root of the tree offers: `cpu`, `memory`, … */
  readonly controllers: readonly string[]
  /** Set when systemd runs this machine, which the slice driver needs. */
  readonly systemd?: SystemdVersion
  /** Whether pressure (PSI) is compiled in and on. */
  readonly pressure: boolean
  /** Files that only later kernels have, seen in a group of the machine: `memory.peak` (5.19), `cgroup.kill` (5.14), … */
  readonly features: readonly string[]
  /** Why it does not work: `CGROUP_UNSUPPORTED`. */
  readonly error?: CgroupError
}

const youngFiles = [
  'cgroup.kill',
  'cpu.idle',
  'cpu.max.burst',
  'memory.peak',
  'memory.reclaim',
  'memory.zswap.max',
] as const

/** Finds out what this machine can do, by looking only: `/proc/self/mountinfo`, `systemctl --version`, the tree. */
export async function probe(host: Host, options: { readonly cgroupfs?: Cgroupfs } = {}): Promise<Probe> {
  const { mode, mount } = parseMounts((await host.read('/proc/self/mountinfo')) ?? '')
  const systemd = await readSystemd(host)
  const rest = {
    mode,
    pressure: await readable(host, '/proc/pressure/cpu'),
    ...(systemd === undefined ? {} : { systemd }),
  }
  if (mode !== 'unified' || mount === undefined) {
    return { works: false, controllers: [], features: [], error: unsupported(mode), ...rest }
  }
  const cgroupfs = options.cgroupfs ?? openCgroupfs(host, mount)
  const controllers = (cgroupfs.read(rootPath, 'cgroup.controllers') ?? '').split(/\s+/).filter((word) => word !== '')
  const groups = cgroupfs.children(rootPath).map(parseCgroupPath)
  const features = youngFiles.filter((file) => groups.some((group) => isThere(cgroupfs, group, file)))
  return { works: true, mount, controllers, features, ...rest }
}

/** Files that can only be written answer a read with an error, which tells that they are there. */
function isThere(cgroupfs: Cgroupfs, group: CgroupPath, file: string): boolean {
  try {
    return cgroupfs.read(group, file) !== undefined
  } catch {
    return true
  }
}

/**
 * Finds how cgroups are mounted.
 *
 * ```text
 *   32 23 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,seclabel,nsdelegate
 * ```
 *
 * @see proc_pid_mountinfo(5)
 */
export function parseMounts(mountinfo: string): { readonly mode: CgroupMode; readonly mount?: string } {
  const rows = mountinfo.split('\n').flatMap((line) => {
    const [, mount = '', kind = ''] = /^\d+ \d+ \d+:\d+ \S+ (\S+) .*? - (cgroup2?) /.exec(line) ?? []
    return mount === '' ? [] : [{ mount, kind }]
  })
  const second = rows.find(({ kind }) => kind === 'cgroup2')
  const first = rows.some(({ kind }) => kind === 'cgroup')
  if (second === undefined) return { mode: first ? 'legacy' : 'none' }
  return { mode: first ? 'hybrid' : 'unified', mount: second.mount }
}

/** The error that says why this mode is none of ours. */
export function unsupported(mode: CgroupMode): CgroupError {
  const detail = {
    unified: 'the tree cannot be read',
    hybrid: 'controllers belong to cgroup v1 here (hybrid); boot with systemd.unified_cgroup_hierarchy=1',
    legacy: 'this machine has cgroup v1; boot with systemd.unified_cgroup_hierarchy=1',
    none: 'no cgroup file system is mounted',
  }[mode]
  return new CgroupError('CGROUP_UNSUPPORTED', { operation: 'use cgroup v2', detail })
}

/** `systemd 257 (257.13-1~deb13u1)`, then a line of `+FEATURE` and `-FEATURE`. */
export function parseSystemdVersion(text: string): SystemdVersion | undefined {
  const version = /^systemd (\d{1,5})\b/.exec(text)?.[1]
  return version === undefined ? undefined : { version: Number(version), bpf: /(^|\s)\+BPF_FRAMEWORK\b/.test(text) }
}

async function readSystemd(host: Host): Promise<SystemdVersion | undefined> {
  const systemctl = host.program('systemctl')
  if (systemctl === undefined || (await host.status('/run/systemd/system')) === undefined) return undefined
  try {
    return parseSystemdVersion((await host.run([systemctl, '--version'], { touches: 'nothing' })).stdout)
  } catch (error) {
    if (error instanceof HostError) return undefined
    throw error
  }
}

/** A kernel with PSI switched off has the files and answers reads with EOPNOTSUPP. */
async function readable(host: Host, path: string): Promise<boolean> {
  try {
    return (await host.read(path)) !== undefined
  } catch (error) {
    if (error instanceof HostError) return false
    throw error
  }
}

import {
  findTool,
  HostError,
  runOptions,
  runsSystemd,
  type EffectOptions,
  type FeatureProbe,
  type Host,
  type Probe,
} from '@puppy/host'
import { readMounts, type Mount } from '@puppy/host/proc'
import { openCgroupfs, type Cgroupfs } from './cgroupfs/cgroupfs.ts'
import { CgroupError } from './errors.ts'
import { parseCgroupPath, rootPath, type CgroupPath } from './path.ts'

/** How the machine mounts cgroups. Only v2 is `unified`. */
export type CgroupMode = 'unified' | 'hybrid' | 'legacy' | 'none'

/** The systemd that runs a machine. */
export interface SystemdVersion {
  readonly version: number
  /** Whether it was built with BPF (`+BPF_FRAMEWORK`), without which slices have no port rules. */
  readonly bpf: boolean
}

/** Files that only later kernels have, and the first Linux that does. */
const laterFiles = {
  'cgroup.kill': '5.14',
  'cpu.idle': '5.15',
  'cpu.max.burst': '5.14',
  'memory.peak': '5.19',
  'memory.reclaim': '5.19',
  'memory.zswap.max': '5.19',
} as const

/** `slices`: systemd can limit slices. `portRules`: and which ports they may bind. `pressure`: PSI is compiled in and on. */
export type CgroupFeature = 'slices' | 'portRules' | 'pressure' | keyof typeof laterFiles

/** What this machine can do with cgroups. */
export interface CgroupProbe extends Probe<CgroupError, CgroupFeature> {
  readonly mode: CgroupMode
  /** Where cgroup v2 is mounted. */
  readonly mount?: string
  /** What the root of the tree offers: `cpu`, `memory`, … */
  readonly controllers: readonly string[]
  /** Absent: systemd does not run this machine. */
  readonly systemd?: SystemdVersion
}

/** Options of `probe`. */
export interface ProbeOptions extends EffectOptions {
  /** The tree itself, for tests. */
  readonly cgroupfs?: Cgroupfs
}

/** The first that knows every property that is written here. */
const leastSystemd = 252

/**
 * Finds out what works on this machine: `works` says whether it has cgroup v2 alone. Looks only (`/proc/self/mountinfo`,
 * `systemctl --version`, the tree), and never throws.
 */
export async function probe(host: Host, options: ProbeOptions = {}): Promise<CgroupProbe> {
  try {
    return await look(host, options)
  } catch (cause) {
    const error =
      cause instanceof CgroupError
        ? cause
        : new CgroupError('CGROUP_UNREADABLE', { operation: 'look for cgroups', detail: messageOf(cause), cause })
    return { ...nothing(error), mode: 'none' }
  }
}

/** Finds out whether slices can be limited: `probe`, where `works` also needs systemd. Never throws. */
export async function probeSlices(host: Host, options: ProbeOptions = {}): Promise<CgroupProbe> {
  const found = await probe(host, options)
  const version = found.systemd === undefined ? {} : { version: String(found.systemd.version) }
  if (!found.works || found.features.slices.works) return { ...found, ...version }
  return { ...found, ...version, works: false, error: withoutSystemd(found.systemd), steps: [] }
}

/** Returns the systemd of a machine where slices can be limited. @throws CgroupError `CGROUP_UNSUPPORTED`, `CGROUP_UNREADABLE` */
export async function requireSystemd(host: Host, options: ProbeOptions = {}): Promise<SystemdVersion> {
  const { systemd, works, error } = await probeSlices(host, options)
  if (works && systemd !== undefined) return systemd
  throw error ?? withoutSystemd(systemd)
}

async function look(host: Host, options: ProbeOptions): Promise<CgroupProbe> {
  if (!host.live) {
    const detail = 'this host is only a folder, and cgroups are the kernel’s'
    return {
      ...nothing(new CgroupError('CGROUP_UNSUPPORTED', { operation: 'use cgroup v2', detail })),
      mode: 'none',
    }
  }
  const { mode, mount } = modeOf(await readMounts(host))
  const systemd = await readSystemd(host, options)
  const known = { mode, ...(systemd === undefined ? {} : { systemd }) }
  if (mode !== 'unified' || mount === undefined) return { ...nothing(unsupported(mode)), ...known }
  const cgroupfs = options.cgroupfs ?? openCgroupfs(host, mount)
  const controllers = (cgroupfs.read(rootPath, 'cgroup.controllers') ?? '').split(/\s+/).filter((word) => word !== '')
  const features: Record<CgroupFeature, FeatureProbe> = {
    slices: featureOf(isRecent(systemd), withoutSystemd(systemd).message),
    portRules: featureOf(isRecent(systemd) && systemd?.bpf === true, 'systemd was built without BPF'),
    pressure: featureOf(await isReadable(host, '/proc/pressure/cpu'), 'PSI is compiled out or off', [
      'boot with psi=1',
    ]),
    ...laterFeatures(cgroupfs),
  }
  return { works: true, ...known, mount, controllers, features, steps: [], warnings: [] }
}

function laterFeatures(cgroupfs: Cgroupfs): Record<keyof typeof laterFiles, FeatureProbe> {
  const groups = cgroupfs.children(rootPath).flatMap(pathsOf)
  const rows = Object.entries(laterFiles).map(([file, linux]) => {
    const works = groups.some((group) => isThere(cgroupfs, group, file))
    return [file, featureOf(works, `no group of this machine has ${file}; Linux ${linux} and later can have it`)]
  })
  return Object.fromEntries(rows) as Record<keyof typeof laterFiles, FeatureProbe>
}

/** A group that another program made may have a name that we refuse. */
function pathsOf(name: string): readonly CgroupPath[] {
  try {
    return [parseCgroupPath(name)]
  } catch {
    return []
  }
}

function nothing(error: CgroupError): Omit<CgroupProbe, 'mode'> {
  const feature = featureOf(false, error.message, error.facts.steps)
  const names = ['slices', 'portRules', 'pressure', ...Object.keys(laterFiles)]
  return {
    works: false,
    error,
    controllers: [],
    features: Object.fromEntries(names.map((name) => [name, feature])) as Record<CgroupFeature, FeatureProbe>,
    steps: error.facts.steps ?? [],
    warnings: [],
  }
}

function featureOf(works: boolean, reason: string, steps: readonly string[] = []): FeatureProbe {
  return works ? { works, steps: [] } : { works, reason, steps }
}

function isRecent(systemd: SystemdVersion | undefined): boolean {
  return systemd !== undefined && systemd.version >= leastSystemd
}

function withoutSystemd(systemd: SystemdVersion | undefined): CgroupError {
  return new CgroupError('CGROUP_UNSUPPORTED', {
    operation: 'limit slices',
    ...(systemd === undefined ? {} : { value: `systemd ${systemd.version}` }),
    detail: `systemd ${leastSystemd} or later must run this machine`,
  })
}

/** Files that can only be written answer a read with an error, which says that they are there. */
function isThere(cgroupfs: Cgroupfs, group: CgroupPath, file: string): boolean {
  try {
    return cgroupfs.read(group, file) !== undefined
  } catch {
    return true
  }
}

/** Returns how cgroups are mounted, and where v2 is. Pure. */
export function modeOf(mounts: readonly Pick<Mount, 'fileSystem' | 'mountPoint'>[]): {
  readonly mode: CgroupMode
  readonly mount?: string
} {
  const second = mounts.find(({ fileSystem }) => fileSystem === 'cgroup2')
  const first = mounts.some(({ fileSystem }) => fileSystem === 'cgroup')
  if (second === undefined) return { mode: first ? 'legacy' : 'none' }
  return { mode: first ? 'hybrid' : 'unified', mount: second.mountPoint }
}

/** Returns the error that says why a mode does not work. */
export function unsupported(mode: CgroupMode): CgroupError {
  const detail = {
    unified: 'the tree cannot be read',
    hybrid: 'controllers belong to cgroup v1 (hybrid mode)',
    legacy: 'this machine has cgroup v1',
    none: 'no cgroup file system is mounted',
  }[mode]
  const steps = mode === 'hybrid' || mode === 'legacy' ? ['boot with systemd.unified_cgroup_hierarchy=1'] : []
  return new CgroupError('CGROUP_UNSUPPORTED', { operation: 'use cgroup v2', detail, steps })
}

/** Reads `systemd 257 (257.13-1~deb13u1)`, then a line of `+FEATURE` and `-FEATURE`. Undefined: it is something else. */
export function parseSystemdVersion(text: string): SystemdVersion | undefined {
  const version = /^systemd (\d{1,5})\b/.exec(text)?.[1]
  return version === undefined ? undefined : { version: Number(version), bpf: /(^|\s)\+BPF_FRAMEWORK\b/.test(text) }
}

async function readSystemd(host: Host, options: ProbeOptions): Promise<SystemdVersion | undefined> {
  const systemctl = findTool(host, 'systemctl')
  if (systemctl === undefined || !(await runsSystemd(host))) return undefined
  try {
    return parseSystemdVersion((await host.run([systemctl, '--version'], runOptions('nothing', options))).stdout)
  } catch (error) {
    if (error instanceof HostError && error.code !== 'HOST_ABORTED') return undefined
    throw error
  }
}

/** A kernel with PSI switched off has the files and answers reads with EOPNOTSUPP. */
async function isReadable(host: Host, path: string): Promise<boolean> {
  try {
    return (await host.read(path)) !== undefined
  } catch (error) {
    if (error instanceof HostError) return false
    throw error
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

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

/** How the machine mounts cgroups. `unified`: only v2. `hybrid`: v1 and v2. `legacy`: only v1. */
export type CgroupMode = 'unified' | 'hybrid' | 'legacy' | 'none'

/** The systemd of a machine. */
export interface SystemdVersion {
  readonly version: number
  /** Whether it was built with BPF (`+BPF_FRAMEWORK`). Port rules of slices need BPF. */
  readonly bpf: boolean
}

/** Files that only later kernels have, and the first version of Linux that has them. */
const laterFiles = {
  'cgroup.kill': '5.14',
  'cpu.idle': '5.15',
  'cpu.max.burst': '5.14',
  'memory.peak': '5.19',
  'memory.reclaim': '5.19',
  'memory.zswap.max': '5.19',
} as const

/**
 * - `slices`: systemd can limit slices.
 * - `portRules`: systemd can limit which ports the processes of a slice bind.
 * - `pressure`: the kernel was built with PSI, and PSI is on.
 * - The name of a file: the kernel has this file.
 */
export type CgroupFeature = 'slices' | 'portRules' | 'pressure' | keyof typeof laterFiles

/** The result of probing the cgroups of a machine. */
export interface CgroupProbe extends Probe<CgroupError, CgroupFeature> {
  readonly mode: CgroupMode
  /** The mount point of cgroup v2. */
  readonly mount?: string
  /** The controllers of the root group: `cpu`, `memory`, … */
  readonly controllers: readonly string[]
  /** Absent when systemd is not the init system of this machine. */
  readonly systemd?: SystemdVersion
}

/** Options of `probe`. */
export interface ProbeOptions extends EffectOptions {
  /** The tree to use, for tests. */
  readonly cgroupfs?: Cgroupfs
}

/** The first version with all properties that this package writes. */
const leastSystemd = 252

/**
 * Checks what works on this machine. `works` is true when only cgroup v2 is mounted. Reads `/proc/self/mountinfo` and the tree, and runs
 * `systemctl --version`. Changes nothing and never throws.
 */
export async function probe(host: Host, options: ProbeOptions = {}): Promise<CgroupProbe> {
  try {
    return await look(host, options)
  } catch (cause) {
    const error =
      cause instanceof CgroupError
        ? cause
        : new CgroupError('CGROUP_UNREADABLE', {
            operation: 'probe the cgroups of this machine',
            detail: messageOf(cause),
            cause,
          })
    return { ...nothing(error), mode: 'none' }
  }
}

/** Checks whether slices can be limited, as `probe` does. `works` also requires systemd. Never throws. */
export async function probeSlices(host: Host, options: ProbeOptions = {}): Promise<CgroupProbe> {
  const found = await probe(host, options)
  const version = found.systemd === undefined ? {} : { version: String(found.systemd.version) }
  if (!found.works || found.features.slices.works) return { ...found, ...version }
  return { ...found, ...version, works: false, error: withoutSystemd(found.systemd), steps: [] }
}

/** Returns the systemd version of a machine where slices can be limited. @throws CgroupError `CGROUP_UNSUPPORTED`, `CGROUP_UNREADABLE` */
export async function requireSystemd(host: Host, options: ProbeOptions = {}): Promise<SystemdVersion> {
  const { systemd, works, error } = await probeSlices(host, options)
  if (works && systemd !== undefined) return systemd
  throw error ?? withoutSystemd(systemd)
}

async function look(host: Host, options: ProbeOptions): Promise<CgroupProbe> {
  if (!host.live) {
    const detail = 'this host is only a folder, and cgroups belong to a running kernel'
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
    portRules: isRecent(systemd)
      ? featureOf(systemd?.bpf === true, 'systemd was built without BPF')
      : featureOf(false, withoutSystemd(systemd).message),
    pressure: featureOf(
      await isReadable(host, '/proc/pressure/cpu'),
      'the kernel was built without PSI, or PSI is off',
      ['add psi=1 to the kernel command line', 'reboot'],
    ),
    ...laterFeatures(cgroupfs),
  }
  return { works: true, ...known, mount, controllers, features, steps: [], warnings: [] }
}

function laterFeatures(cgroupfs: Cgroupfs): Record<keyof typeof laterFiles, FeatureProbe> {
  const groups = cgroupfs.children(rootPath).flatMap(pathsOf)
  const rows = Object.entries(laterFiles).map(([file, linux]) => {
    const works = groups.some((group) => isThere(cgroupfs, group, file))
    return [
      file,
      featureOf(works, `no group on this machine has the file ${file}, which needs Linux ${linux} or later`),
    ]
  })
  return Object.fromEntries(rows) as Record<keyof typeof laterFiles, FeatureProbe>
}

/** A group of another program may have a name that this package refuses. */
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
    detail: `systemd ${leastSystemd} or later must be the init system of this machine`,
  })
}

/** A file that can only be written fails on a read. The failure shows that the file exists. */
function isThere(cgroupfs: Cgroupfs, group: CgroupPath, file: string): boolean {
  try {
    return cgroupfs.read(group, file) !== undefined
  } catch {
    return true
  }
}

/** Returns how cgroups are mounted, and the mount point of v2. Pure. */
export function modeOf(mounts: readonly Pick<Mount, 'fileSystem' | 'mountPoint'>[]): {
  readonly mode: CgroupMode
  readonly mount?: string
} {
  const second = mounts.find(({ fileSystem }) => fileSystem === 'cgroup2')
  const first = mounts.some(({ fileSystem }) => fileSystem === 'cgroup')
  if (second === undefined) return { mode: first ? 'legacy' : 'none' }
  return { mode: first ? 'hybrid' : 'unified', mount: second.mountPoint }
}

/** Returns the error for a mode that does not work. */
export function unsupported(mode: CgroupMode): CgroupError {
  const detail = {
    unified: 'the cgroup tree cannot be read',
    hybrid: 'this machine uses cgroup v1 for its controllers (hybrid mode)',
    legacy: 'this machine uses cgroup v1',
    none: 'no cgroup file system is mounted',
  }[mode]
  const steps =
    mode === 'hybrid' || mode === 'legacy'
      ? ['add systemd.unified_cgroup_hierarchy=1 to the kernel command line', 'reboot']
      : []
  return new CgroupError('CGROUP_UNSUPPORTED', { operation: 'use cgroup v2', detail, steps })
}

/** Parses `systemd 257 (257.13-1~deb13u1)` and a line of `+FEATURE` and `-FEATURE`. Returns undefined for other texts. */
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

/** On a kernel with PSI switched off, the files exist and reads fail with EOPNOTSUPP. */
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

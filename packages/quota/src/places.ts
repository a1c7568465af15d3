import type { Host } from '@puppy/host'
import { deviceOf, findMount, parseMountinfo, type Mount } from './mount.ts'
import { QuotaError } from './errors.ts'
import { bounded, runProgram, type EffectOptions } from './program.ts'
import { stepsOf, unsupported } from './support.ts'
import { sharedFolders } from './temporary.ts'
import { readState, type Volume } from './volume.ts'

/** A folder that anybody can write to, on a file system where no quota of users holds. */
export interface OpenPlace {
  readonly path: string
  readonly mount: Mount
  /** Bytes that all users together can put there at most: the size of a tmpfs. Absent when it is a whole disk, or half of the memory. */
  readonly size?: number
  /** What would bound it, one act after the other. */
  readonly steps: readonly string[]
}

/** Where nothing is kept that takes space: files there are the kernel's own, or counted by a limit of processes (`mqueue`). */
const spaceless = [
  'autofs',
  'binfmt_misc',
  'bpf',
  'cgroup',
  'cgroup2',
  'configfs',
  'debugfs',
  'devpts',
  'efivarfs',
  'fusectl',
  'hugetlbfs',
  'mqueue',
  'nsfs',
  'proc',
  'pstore',
  'ramfs',
  'rpc_pipefs',
  'securityfs',
  'selinuxfs',
  'sysfs',
  'tracefs',
]

/** Deep enough for `/var/lib/php/sessions` and its like. */
const depth = 6

/**
 * Finds every folder that anybody can write to and that no user quota counts, by looking only: one find(1) from the root, six folders
 * deep, which passes over folders that others may not enter, file systems with quota, and what is below a folder it has found.
 * What a tenant can put somewhere by a program with another's rights (crontab, at, mail) is not in it.
 *
 * Walks whole file systems: for a person who asks, not for each pass. Default timeout 60,000 ms.
 *
 * @throws QuotaError `QUOTA_NOT_INSTALLED`, `QUOTA_TIMEOUT`, `QUOTA_UNREADABLE`, …
 */
export async function findOpenPlaces(host: Host, options: EffectOptions = {}): Promise<readonly OpenPlace[]> {
  const patient = { timeout: 60_000, ...bounded(options) }
  const mounts = parseMountinfo((await host.read('/proc/self/mountinfo')) ?? '')
  const disks = new Map<string, Mount>()
  for (const mount of mounts)
    if (unsupported(mount) === undefined) disks.set(mount.device, disks.get(mount.device) ?? mount)
  const enforced = new Set<string>()
  for (const [device, mount] of disks) if (await holds(host, mount, patient)) enforced.add(device)
  const covered = mounts.filter(({ device }) => enforced.has(device)).map(({ mountPoint }) => mountPoint)
  const operation = 'look for folders that anybody can write to below'
  const { stdout } = await runProgram(host, ['find', '/', ...termsOf(covered)], {
    ...patient,
    touches: 'nothing',
    // 1: something went away meanwhile, or may not be looked at.
    accept: [0, 1],
    operation,
    target: '/',
  })
  return parsePlaces(stdout).flatMap(({ path, device }) => {
    const mount = findMount(mounts, device, path)
    return mount === undefined || enforced.has(device) ? [] : [placeOf(path, mount)]
  })
}

/** Whether limits of users hold on it. One that cannot be asked is taken for one where they do not. */
async function holds(host: Host, mount: Mount, options: EffectOptions): Promise<boolean> {
  const volume: Volume = { mount, blockSize: 4096 }
  try {
    return (await readState(host, volume, options)).state.user.enforcing
  } catch (error) {
    if (error instanceof QuotaError && error.code !== 'QUOTA_TIMEOUT') return false
    throw error
  }
}

/** Names of folders stand for themselves: find(1) reads `*`, `?`, `[` and `\` in `-path` otherwise. */
function termsOf(covered: readonly string[]): readonly string[] {
  const pruned = [
    ...spaceless.flatMap((type) => ['-fstype', type, '-o']),
    ...covered.flatMap((path) => ['-path', path.replaceAll(/[*?[\]\\]/g, String.raw`\$&`), '-o']),
  ]
  const entered = ['!', '-perm', '-0001']
  const found = ['-perm', '-0002', '-printf', String.raw`%D %p\0`, '-prune']
  return [
    '-maxdepth',
    String(depth),
    '!',
    '-type',
    'd',
    '-o',
    '(',
    ...pruned,
    ...entered,
    ')',
    '-prune',
    '-o',
    ...found,
  ]
}

/**
 * Parses what find(1) printed: the number of the device and the path of each folder, with a NUL after each.
 *
 *     26 /dev/shm
 */
export function parsePlaces(text: string): readonly { readonly path: string; readonly device: string }[] {
  return text
    .split('\0')
    .slice(0, -1)
    .map((line) => {
      const [, device = '', path = ''] = /^(\d{1,19}) (\/.*)$/s.exec(line) ?? []
      if (path !== '') return { path, device: deviceOf(BigInt(device)) }
      const detail = 'find printed no device and path'
      throw new QuotaError('QUOTA_UNREADABLE', { operation: 'read a folder from', value: line, detail })
    })
}

function placeOf(path: string, mount: Mount): OpenPlace {
  const size = sizeOf(mount)
  return { path, mount, ...(size === undefined ? {} : { size }), steps: stepsFor(path, mount) }
}

/** `size=1524816k` of a tmpfs; without it it is half of the memory. */
function sizeOf({ fileSystem, options }: Mount): number | undefined {
  if (fileSystem !== 'tmpfs') return undefined
  const [, digits, unit = ''] =
    /^size=(\d{1,15})([kmg]?)$/.exec(options.find((one) => one.startsWith('size=')) ?? '') ?? []
  if (digits === undefined) return undefined
  return Number(digits) * { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[unit as '' | 'k' | 'm' | 'g']
}

function stepsFor(path: string, mount: Mount): readonly string[] {
  if (sharedFolders.includes(path)) return [`give each tenant a ${path} of its own (renderTemporary of @puppy/quota)`]
  if (unsupported(mount) === undefined) return stepsOf(mount, 'user', { accounting: false, enforcing: false })
  return [`keep others from writing to it (chmod o-w ${path}) where nothing needs it`]
}

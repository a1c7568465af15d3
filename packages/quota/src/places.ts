import type { EffectOptions, Host } from '@puppy/host'
import { readMounts, renderDevice, type Mount } from '@puppy/host/proc'
import { findMount } from './mount.ts'
import { QuotaError } from './errors.ts'
import { runProgram } from './program.ts'
import { stepsOf, unsupported } from './support.ts'
import { readState, type Volume } from './volume.ts'

/** A folder that every user can write to, on a file system where user quotas are not enforced. */
export interface OpenPlace {
  readonly path: string
  readonly mount: Mount
  /**
   * Bytes that all users together can write there: the option `size` of a tmpfs. Absent for a disk, and for a tmpfs without that option,
   * which can take half of the memory.
   */
  readonly size?: number
  /** The steps that would limit it, in order. */
  readonly steps: readonly string[]
}

/** File systems whose files take no disk space. The kernel creates the files, or a process limit counts them (`mqueue`). */
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

/** Folders that every user of a Debian machine can write to and that no quota counts. */
const sharedFolders: readonly string[] = ['/tmp', '/var/tmp', '/dev/shm']

/** Deep enough for `/var/lib/php/sessions`. */
const depth = 6

/**
 * Finds every folder that every user can write to and that no user quota counts. Changes nothing. Runs one find(1) from the root, six
 * folders deep. It skips folders that other users may not enter, file systems with quota, and everything below a folder that it found.
 * Does not find places to which a tenant can write through a program with more rights (crontab, at, mail).
 *
 * Walks whole file systems. Run it on request, not regularly.
 *
 * @throws QuotaError `QUOTA_NOT_INSTALLED`, `QUOTA_TIMEOUT`, `QUOTA_UNREADABLE`, …
 */
export async function findOpenPlaces(host: Host, options: EffectOptions = {}): Promise<readonly OpenPlace[]> {
  const mounts = await readMounts(host)
  const disks = new Map<string, Mount>()
  for (const mount of mounts)
    if (unsupported(mount) === undefined) disks.set(mount.device, disks.get(mount.device) ?? mount)
  const enforced = new Set<string>()
  for (const [device, mount] of disks) if (await enforces(host, mount, options)) enforced.add(device)
  const covered = mounts.filter(({ device }) => enforced.has(device)).map(({ mountPoint }) => mountPoint)
  const operation = 'find folders that every user can write to below'
  const { stdout } = await runProgram(host, ['find', '/', ...termsOf(covered)], {
    ...options,
    touches: 'nothing',
    // Exit code 1: a file was deleted meanwhile, or may not be read.
    accept: [0, 1],
    operation,
    target: '/',
  })
  return parsePlaces(stdout).flatMap(({ path, device }) => {
    const mount = findMount(mounts, device, path)
    return mount === undefined || enforced.has(device) ? [] : [placeOf(path, mount)]
  })
}

/** Reads whether user limits are enforced on a mount. Returns false when its state cannot be read. */
async function enforces(host: Host, mount: Mount, options: EffectOptions): Promise<boolean> {
  const volume: Volume = { mount, blockSize: 4096 }
  try {
    return (await readState(host, volume, options)).state.user.enforcing
  } catch (error) {
    if (error instanceof QuotaError && error.code !== 'QUOTA_TIMEOUT') return false
    throw error
  }
}

/** Returns the terms for find(1). Paths are escaped: find expands `*`, `?`, `[` and `\` in `-path`. */
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
 * Parses the output of find(1): the device number and the path of each folder, with a NUL after each folder.
 *
 *     26 /dev/shm
 */
export function parsePlaces(text: string): readonly { readonly path: string; readonly device: string }[] {
  return text
    .split('\0')
    .slice(0, -1)
    .map((line) => {
      const [, device = '', path = ''] = /^(\d{1,19}) (\/.*)$/s.exec(line) ?? []
      if (path !== '') return { path, device: renderDevice(BigInt(device)) }
      const detail = 'find did not print a device number and a path'
      throw new QuotaError('QUOTA_UNREADABLE', { operation: 'parse the output of find', value: line, detail })
    })
}

function placeOf(path: string, mount: Mount): OpenPlace {
  const size = sizeOf(mount)
  return { path, mount, ...(size === undefined ? {} : { size }), steps: stepsFor(path, mount) }
}

/** Parses the option `size=1524816k` of a tmpfs. Without the option, the size is half of the memory. */
function sizeOf({ fileSystem, options }: Mount): number | undefined {
  if (fileSystem !== 'tmpfs') return undefined
  const [, digits, unit = ''] =
    /^size=(\d{1,15})([kmg]?)$/.exec(options.find((one) => one.startsWith('size=')) ?? '') ?? []
  if (digits === undefined) return undefined
  return Number(digits) * { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[unit as '' | 'k' | 'm' | 'g']
}

function stepsFor(path: string, mount: Mount): readonly string[] {
  if (sharedFolders.includes(path))
    return [`create a private ${path} for each tenant, as the view of @puppy/accounts does`]
  if (unsupported(mount) === undefined) return stepsOf(mount, 'user', { accounting: false, enforcing: false })
  return [`remove the write permission for other users, unless a program needs it: chmod o-w ${path}`]
}

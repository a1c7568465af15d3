import type { EffectOptions, Host } from '@puppy/host'
import { QuotaError } from './errors.ts'
import type { Bounds } from './limits.ts'
import { parseMountinfo, renderDevice, type Mount } from '@puppy/host/proc'
import { findMount } from './mount.ts'
import { runProgram } from './program.ts'
import { parseState, type QuotaState } from './state.ts'
import { boundsOf, formatOf, unsupported, type QuotaFormat } from './support.ts'

/** The file system of a path, as it is mounted now. */
export interface Volume {
  readonly mount: Mount
  readonly blockSize: number
}

/** What the kernel counts and enforces on a volume, and the range of limits. */
export interface VolumeState {
  readonly state: QuotaState
  readonly format: QuotaFormat
  readonly bounds: Bounds
}

/**
 * Creates a function that finds the file system of a path. The function caches its result until a file system is mounted or unmounted.
 * It detects that without starting a process.
 *
 * @throws QuotaError `QUOTA_UNSUPPORTED`, `QUOTA_INVALID` when the path does not exist, `QUOTA_MOVED` when the path is on another file
 *   system than at the previous call.
 */
export function volumeFinder(host: Host, path: string): (options?: EffectOptions) => Promise<Volume> {
  let known: { readonly volume: Volume; readonly text: string } | undefined
  return async (options = {}) => {
    const text = (await host.read('/proc/self/mountinfo')) ?? ''
    if (known?.text === text) return known.volume
    const found = await findVolume(host, path, parseMountinfo(text), options)
    const before = known?.volume.mount ?? found.mount
    if (before.device !== found.mount.device) throw movedError(path, before, found.mount)
    known = { volume: found, text }
    return found
  }
}

/**
 * Returns the error for a path that is now on another file system. If `/home` was unmounted, the limits for `/home` must not be set
 * on `/`.
 */
export function movedError(path: string, before: Mount, now: Mount): QuotaError {
  const shown = ({ source, mountPoint }: Mount) => `${source} (mounted on ${mountPoint})`
  const detail = `the path was on ${shown(before)} and is now on ${shown(now)}; open it again if that is intended`
  return new QuotaError('QUOTA_MOVED', { operation: 'use quotas of', target: path, detail })
}

/** Finds the mount of a path, also of a file system that is not supported. @throws QuotaError `QUOTA_INVALID` */
export async function mountOf(
  host: Host,
  path: string,
  mounts: readonly Mount[],
  options: EffectOptions,
): Promise<Mount> {
  const mount = findMount(mounts, renderDevice(await ask(host, path, ['-c', '%d'], options)), path)
  if (mount !== undefined) return mount
  throw new QuotaError('QUOTA_INVALID', {
    operation: 'find the mount of',
    target: path,
    detail: '/proc/self/mountinfo does not list its file system',
  })
}

async function findVolume(host: Host, path: string, mounts: readonly Mount[], options: EffectOptions): Promise<Volume> {
  const mount = await mountOf(host, path, mounts, options)
  const detail = unsupported(mount)
  if (detail !== undefined)
    throw new QuotaError('QUOTA_UNSUPPORTED', { operation: 'use quotas of', target: path, detail })
  const size = Number(await ask(host, mount.mountPoint, ['-f', '-c', '%S'], options))
  // The tools count in KiB, so a limit in smaller blocks would be read back as another number.
  return { mount, blockSize: Math.max(size, 1024) }
}

async function ask(host: Host, path: string, words: readonly string[], options: EffectOptions): Promise<bigint> {
  const operation = 'find the file system of'
  try {
    const { stdout } = await runProgram(host, ['stat', '-L', ...words, '--', path], {
      ...options,
      touches: 'nothing',
      operation,
      target: path,
    })
    if (/^\d{1,19}\n$/.test(stdout)) return BigInt(stdout.trim())
    throw new QuotaError('QUOTA_UNREADABLE', {
      operation,
      target: path,
      value: stdout,
      detail: 'stat did not print a number',
    })
  } catch (error) {
    if (!(error instanceof QuotaError) || error.code !== 'QUOTA_REFUSED') throw error
    throw new QuotaError('QUOTA_INVALID', { ...error.facts, detail: 'the path does not exist', cause: error })
  }
}

/** Reads what the kernel counts and enforces. Runs xfs_quota once, which also works on ext4. */
export async function readState(
  host: Host,
  { mount, blockSize }: Volume,
  options: EffectOptions,
): Promise<VolumeState> {
  const { stdout } = await runProgram(host, ['xfs_quota', '-f', '-x', '-c', 'state', mount.mountPoint], {
    ...options,
    touches: 'nothing',
    operation: 'read the quota state of',
    target: mount.mountPoint,
  })
  const state = parseState(stdout)
  const format = formatOf(mount, state)
  return { state, format, bounds: boundsOf(format, blockSize) }
}

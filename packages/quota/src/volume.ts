import type { Host } from '@puppy/host'
import { QuotaError } from './errors.ts'
import type { Bounds } from './limits.ts'
import { deviceOf, findMount, parseMountinfo, type Mount } from './mount.ts'
import { bounded, runProgram, type EffectOptions } from './program.ts'
import { parseState, type QuotaState } from './state.ts'
import { boundsOf, formatOf, unsupported, type QuotaFormat } from './support.ts'

/** The file system that a path is on, as it is mounted now. */
export interface Volume {
  readonly mount: Mount
  readonly blockSize: number
}

/** What the kernel does there, asked now. */
export interface VolumeState {
  readonly state: QuotaState
  readonly format: QuotaFormat
  readonly bounds: Bounds
}

/**
 * Makes a function that finds the file system of a path. What was found is kept while nothing was mounted or unmounted, which
 * costs no process to see.
 *
 * @throws QuotaError `QUOTA_UNSUPPORTED`, `QUOTA_INVALID` when there is no such path, `QUOTA_MOVED` when it is on another file
 *   system than the last time.
 */
export function volumeFinder(host: Host, path: string): (options?: EffectOptions) => Promise<Volume> {
  let known: { readonly volume: Volume; readonly text: string } | undefined
  return async (options = {}) => {
    const text = (await host.read('/proc/self/mountinfo')) ?? ''
    if (known?.text === text) return known.volume
    const found = await findVolume(host, path, parseMountinfo(text), options)
    const before = known?.volume.mount ?? found.mount
    if (before.device !== found.mount.device) throw moved(path, before, found.mount)
    known = { volume: found, text }
    return found
  }
}

/** Limits for `/home` must not end up on `/` because `/home` was unmounted. */
function moved(path: string, before: Mount, now: Mount): QuotaError {
  const shown = ({ source, mountPoint }: Mount) => `${source} on ${mountPoint}`
  const detail = `it was on ${shown(before)} and is on ${shown(now)} now; open it again when that is right`
  return new QuotaError('QUOTA_MOVED', { operation: 'use quotas of', target: path, detail })
}

/** Finds the mount of a path, whatever is mounted there. @throws QuotaError `QUOTA_INVALID` */
export async function mountOf(
  host: Host,
  path: string,
  mounts: readonly Mount[],
  options: EffectOptions,
): Promise<Mount> {
  const mount = findMount(mounts, deviceOf(await ask(host, path, ['-c', '%d'], options)), path)
  if (mount !== undefined) return mount
  throw new QuotaError('QUOTA_INVALID', { operation: 'find the mount of', target: path, detail: 'it is in no list' })
}

async function findVolume(host: Host, path: string, mounts: readonly Mount[], options: EffectOptions): Promise<Volume> {
  const mount = await mountOf(host, path, mounts, options)
  const detail = unsupported(mount)
  if (detail !== undefined)
    throw new QuotaError('QUOTA_UNSUPPORTED', { operation: 'use quotas of', target: path, detail })
  const size = Number(await ask(host, mount.mountPoint, ['-f', '-c', '%S'], options))
  // The tools count in KiB: a smaller block would not be read back.
  return { mount, blockSize: Math.max(size, 1024) }
}

async function ask(host: Host, path: string, words: readonly string[], options: EffectOptions): Promise<bigint> {
  const operation = 'look at'
  try {
    const { stdout } = await runProgram(host, ['stat', '-L', ...words, '--', path], {
      ...bounded(options),
      touches: 'nothing',
      operation,
      target: path,
    })
    if (/^\d{1,19}\n$/.test(stdout)) return BigInt(stdout.trim())
    throw new QuotaError('QUOTA_UNREADABLE', { operation, target: path, value: stdout, detail: 'stat gave no number' })
  } catch (error) {
    if (!(error instanceof QuotaError) || error.code !== 'QUOTA_REFUSED') throw error
    throw new QuotaError('QUOTA_INVALID', { ...error.facts, detail: 'there is no such path', cause: error })
  }
}

/** Asks the kernel what it counts and enforces. Runs xfs_quota once, which asks ext4 as well. */
export async function readState(
  host: Host,
  { mount, blockSize }: Volume,
  options: EffectOptions,
): Promise<VolumeState> {
  const { stdout } = await runProgram(host, ['xfs_quota', '-f', '-x', '-c', 'state', mount.mountPoint], {
    ...bounded(options),
    touches: 'nothing',
    operation: 'read the state of quotas of',
    target: mount.mountPoint,
  })
  const state = parseState(stdout)
  const format = formatOf(mount, state)
  return { state, format, bounds: boundsOf(format, blockSize) }
}

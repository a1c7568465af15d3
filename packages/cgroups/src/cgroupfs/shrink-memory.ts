import { setTimeout as sleep } from 'node:timers/promises'
import type { EffectOptions } from '@puppy/host'
import { CgroupError } from '../errors.ts'
import { parseLimit } from '../formats.ts'
import type { Cgroupfs } from './cgroupfs.ts'
import { largestPage } from '../limits/compare.ts'
import type { CgroupPath } from '../path.ts'

/** Options for a new `memory.max` that is below the memory in use. */
export interface ShrinkOptions extends EffectOptions {
  /**
   * - `reclaim` (default): reclaims memory, and fails when that is not enough in time. Without swap, only caches are reclaimed.
   * - `refuse`: fails at once.
   * - `kill`: sets the limit, so that the kernel may kill processes.
   */
  readonly shrink?: 'reclaim' | 'refuse' | 'kill'
  /**
   * Milliseconds for reclaiming. Default: 10,000. Memory that the kernel did not reclaim by then is in use, and waiting longer only slows
   * down the group.
   */
  readonly reclaimTimeout?: number
}

/**
 * Reclaims memory until a new `memory.max` fits, so that setting it kills no process. Sets `memory.high` first, which slows down the group.
 * Then it writes `memory.reclaim` until the usage fits. Does nothing when the usage fits already.
 *
 * Leaves `memory.high` at the new maximum. The caller writes both limits. Restores `memory.high` on failure.
 *
 * @throws CgroupError `CGROUP_REFUSED` with the bytes in use. Then nothing was changed.
 */
export async function shrinkMemory(
  cgroupfs: Cgroupfs,
  path: CgroupPath,
  max: number,
  options: ShrinkOptions = {},
): Promise<void> {
  const target = wholePages(max)
  const used = () => Number(parseLimit(cgroupfs.read(path, 'memory.current') ?? '') ?? 0)
  if (used() <= target || options.shrink === 'kill') return
  if (options.shrink === 'refuse')
    throw tooMuch(
      path,
      max,
      used(),
      'the kernel would kill processes; allow it to reclaim memory, or end processes first',
    )
  const before = cgroupfs.read(path, 'memory.high')?.trim() ?? 'max'
  const end = performance.now() + (options.reclaimTimeout ?? 10_000)
  try {
    await cgroupfs.write(path, 'memory.high', String(target))
    while (used() > target) {
      options.signal?.throwIfAborted()
      if (performance.now() >= end)
        throw tooMuch(path, max, used(), 'the kernel cannot reclaim enough; end processes first, or allow swap')
      await reclaim(cgroupfs, path, used() - target)
      if (used() > target) await sleep(50)
    }
  } catch (error) {
    await cgroupfs.write(path, 'memory.high', before)
    throw error
  }
}

/** Rounds a maximum down to pages of the largest size, because the page size is not known. The usage must fit into the result. */
function wholePages(max: number): number {
  return max > largestPage ? max - (max % largestPage) : max
}

/** EAGAIN: the kernel reclaimed less than asked for. EINTR: a signal ended it early. ENOENT: Linux before 5.19 does not have the file. */
const incomplete: readonly (string | undefined)[] = ['EAGAIN', 'EINTR', 'ENOENT']

/** Makes the kernel reclaim memory. */
async function reclaim(cgroupfs: Cgroupfs, path: CgroupPath, bytes: number): Promise<void> {
  try {
    await cgroupfs.write(path, 'memory.reclaim', String(bytes))
  } catch (error) {
    const expected =
      error instanceof CgroupError && error.code !== 'CGROUP_GONE' && incomplete.includes(error.facts.errno)
    if (!expected) throw error
  }
}

function tooMuch(path: CgroupPath, max: number, used: number, detail: string): CgroupError {
  return new CgroupError('CGROUP_REFUSED', {
    operation: 'shrink memory.max of',
    target: `/${path}`,
    value: String(max),
    detail: `${used} bytes are in use; ${detail}; nothing was changed`,
  })
}

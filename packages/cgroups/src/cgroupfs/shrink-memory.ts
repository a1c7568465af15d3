import { setTimeout as sleep } from 'node:timers/promises'
import type { EffectOptions } from '@puppy/host'
import { CgroupError } from '../errors.ts'
import { parseLimit } from '../formats.ts'
import type { Cgroupfs } from './cgroupfs.ts'
import { largestPage } from '../limits/compare.ts'
import type { CgroupPath } from '../path.ts'

/** What to do when more memory is in use than a new `memory.max` allows. */
export interface ShrinkOptions extends EffectOptions {
  /**
   * `reclaim` (default) reclaims memory, which without swap takes only caches, and refuses when that is not enough in time. `refuse`
   * refuses at once. `kill` lets the kernel kill.
   */
  readonly shrink?: 'reclaim' | 'refuse' | 'kill'
  /**
   * Milliseconds for reclaiming. Default 10,000: what the kernel has not reclaimed by then is in use, and a longer wait only slows the
   * group down.
   */
  readonly reclaimTimeout?: number
}

/**
 * Makes room for a `memory.max` below what is in use, so that setting it kills no process: `memory.high` first, which slows the group
 * down, then `memory.reclaim`, until it fits. When it does not fit in time `memory.high` is what it was before.
 *
 * Leaves `memory.high` at the new maximum; the caller writes both limits. Nothing happens when it fits already.
 *
 * @throws CgroupError `CGROUP_REFUSED` with the bytes in use; nothing has changed then.
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
    throw tooMuch(path, max, used(), 'it would kill; let it reclaim, or end processes first')
  const before = cgroupfs.read(path, 'memory.high')?.trim() ?? 'max'
  const end = performance.now() + (options.reclaimTimeout ?? 10_000)
  try {
    await cgroupfs.write(path, 'memory.high', String(target))
    while (used() > target) {
      options.signal?.throwIfAborted()
      if (performance.now() >= end)
        throw tooMuch(path, max, used(), 'the rest cannot be reclaimed; end processes first, or give it swap')
      await reclaim(cgroupfs, path, used() - target)
      if (used() > target) await sleep(50)
    }
  } catch (error) {
    await cgroupfs.write(path, 'memory.high', before)
    throw error
  }
}

/** What the kernel makes of a maximum, whatever its pages: it must fit into that. */
function wholePages(max: number): number {
  return max > largestPage ? max - (max % largestPage) : max
}

/** EAGAIN: the kernel found less than that. EINTR: a signal ended it early. ENOENT: Linux before 5.19 has no such file. */
const incomplete: readonly (string | undefined)[] = ['EAGAIN', 'EINTR', 'ENOENT']

/** Asks the kernel to reclaim memory. */
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

import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from '@puppy/host'
import { parseFlatKeyed } from '../formats.ts'
import { openCgroupfs, type Cgroupfs } from '../cgroupfs/cgroupfs.ts'
import { parseCgroupPath, type CgroupPath } from '../path.ts'

/** An event in a group. `count` is the number since the last event of that kind. */
export type CgroupEvent =
  /** The kernel killed processes because of lack of memory, in the group or a descendant. */
  | { readonly group: string; readonly kind: 'oomKilled'; readonly count: bigint }
  /** `memory.max` was reached. The kernel reclaimed memory or killed processes. */
  | { readonly group: string; readonly kind: 'memoryMax'; readonly count: bigint }
  /** A fork was refused. */
  | { readonly group: string; readonly kind: 'pidsRefused'; readonly count: bigint }
  /** `cpu.max` throttled the group. `count` is the number of periods. */
  | { readonly group: string; readonly kind: 'throttled'; readonly count: bigint }
  /** `populated`: the first process joined. `emptied`: the last process ended, or the group was removed. */
  | { readonly group: string; readonly kind: 'populated' | 'emptied' }

/** Options of `watchGroups`. */
export interface WatchOptions {
  /** Milliseconds between readings of what the kernel does not report: throttling and new groups. Default: 2,000. */
  readonly interval?: number
  readonly signal?: AbortSignal
  readonly mount?: string
  readonly cgroupfs?: Cgroupfs
}

/** The files whose changes the kernel reports by inotify. */
const reported = ['cgroup.events', 'memory.events', 'pids.events'] as const

interface Watched {
  readonly group: string
  readonly path: CgroupPath
  last: Counters
  stops: (() => void)[]
}

interface Counters {
  readonly populated: boolean
  readonly counts: Readonly<Record<'oomKilled' | 'memoryMax' | 'pidsRefused' | 'throttled', bigint>>
}

/**
 * Yields the events of groups. The iteration ends only when the caller leaves the loop or the signal is aborted. It does not end when a
 * group is removed, because it includes groups that are created later or created again. Needs no root.
 *
 * Does not queue events: a slow caller gets the sum. Wakes up by inotify, with one instance for all groups. Throttling is found by reading.
 *
 * @throws CgroupError `CGROUP_INVALID` for an invalid path.
 */
export async function* watchGroups(
  host: Host,
  groups: Iterable<string>,
  options: WatchOptions = {},
): AsyncGenerator<CgroupEvent, void> {
  const cgroupfs = options.cgroupfs ?? openCgroupfs(host, options.mount)
  const bell = createBell()
  const watched = [...groups].map((group): Watched => {
    const path = parseCgroupPath(group)
    return { group, path, last: countersOf(cgroupfs, path), stops: [] }
  })
  for (const one of watched) listen(cgroupfs, one, bell.ring)
  try {
    while (options.signal?.aborted !== true) {
      for (const one of watched) yield* news(cgroupfs, one, bell.ring)
      await bell.wait(options.interval ?? 2000, options.signal)
    }
  } finally {
    for (const { stops } of watched) for (const stop of stops) stop()
  }
}

function* news(cgroupfs: Cgroupfs, one: Watched, ring: () => void): Generator<CgroupEvent> {
  const now = countersOf(cgroupfs, one.path)
  const { last, group } = one
  // A lower counter means a new group of the same name.
  const isNewGroup = (Object.keys(now.counts) as (keyof Counters['counts'])[]).some(
    (key) => now.counts[key] < last.counts[key],
  )
  one.last = now
  if (one.stops.length === 0 || !cgroupfs.exists(one.path)) listen(cgroupfs, one, ring)
  if (now.populated && !last.populated) yield { group, kind: 'populated' }
  for (const kind of ['oomKilled', 'memoryMax', 'pidsRefused', 'throttled'] as const) {
    const count = now.counts[kind] - (isNewGroup ? 0n : last.counts[kind])
    if (count > 0n) yield { group, kind, count }
  }
  if (!now.populated && last.populated) yield { group, kind: 'emptied' }
}

/** Starts to watch a group. Starts again when the group was created again, because a watch belongs to the file of the old group. */
function listen(cgroupfs: Cgroupfs, one: Watched, ring: () => void): void {
  for (const stop of one.stops.splice(0)) stop()
  if (!cgroupfs.exists(one.path)) return
  for (const file of reported) {
    const stop = cgroupfs.watch(one.path, file, ring)
    if (stop !== undefined) one.stops.push(stop)
  }
}

function countersOf(cgroupfs: Cgroupfs, path: CgroupPath): Counters {
  const count = (file: string, key: string) => parseFlatKeyed(cgroupfs.read(path, file) ?? '').get(key) ?? 0n
  return {
    populated: count('cgroup.events', 'populated') === 1n,
    counts: {
      oomKilled: count('memory.events', 'oom_kill'),
      memoryMax: count('memory.events', 'max'),
      pidsRefused: count('pids.events', 'max'),
      throttled: count('cpu.stat', 'nr_throttled'),
    },
  }
}

/** Creates an object that wakes the loop. A ring while the loop does not wait is not lost. Several rings at once count as one. */
function createBell() {
  let rung = false
  let wake: (() => void) | undefined
  return {
    ring: () => {
      rung = true
      wake?.()
    },
    wait: async (interval: number, signal?: AbortSignal) => {
      if (!rung) {
        const stop = new AbortController()
        const either = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal])
        wake = () => stop.abort()
        await sleep(interval, undefined, { signal: either }).catch(() => undefined)
        wake = undefined
      } else {
        // Limits the number of readings when many notices arrive.
        await sleep(10)
      }
      rung = false
    },
  }
}

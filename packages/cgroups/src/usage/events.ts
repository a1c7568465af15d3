import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from '@puppy/host'
import { parseFlatKeyed } from '../formats.ts'
import { openCgroupfs, type Cgroupfs } from '../cgroupfs/cgroupfs.ts'
import { parseCgroupPath, type CgroupPath } from '../path.ts'

/** What happened in a group since it was last told. */
export type CgroupEvent =
  /** Processes were killed for want of memory, in the group or inside it. */
  | { readonly group: string; readonly kind: 'oomKilled'; readonly count: bigint }
  /** `memory.max` was met; the kernel made room or killed. */
  | { readonly group: string; readonly kind: 'memoryMax'; readonly count: bigint }
  /** A fork was refused. */
  | { readonly group: string; readonly kind: 'pidsRefused'; readonly count: bigint }
  /** Periods in which the group was held back by `cpu.max`. */
  | { readonly group: string; readonly kind: 'throttled'; readonly count: bigint }
  /** The first process came, the last one went, or the group was removed. */
  | { readonly group: string; readonly kind: 'populated' | 'emptied' }

export interface WatchOptions {
  /** Milliseconds between looks at what the kernel does not tell by itself: throttling, and groups that come. Default 2,000. */
  readonly interval?: number
  readonly signal?: AbortSignal
  readonly mount?: string
  readonly cgroupfs?: Cgroupfs
}

/** The files that the kernel tells about by inotify. */
const telling = ['cgroup.events', 'memory.events', 'pids.events'] as const

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
 * Tells what happens in groups, also in those that come later or go and come again, until it is left or aborted. Needs no root.
 *
 * Nothing queues up: whoever is slow is told the sum. The kernel's word wakes it (one inotify instance for all groups); throttling
 * is found by looking.
 *
 * @throws CgroupError `CGROUP_INVALID` for a path that is none.
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
  // Counters that fell are those of a new group by the same name.
  const anew = (Object.keys(now.counts) as (keyof Counters['counts'])[]).some(
    (key) => now.counts[key] < last.counts[key],
  )
  one.last = now
  if (one.stops.length === 0 || !cgroupfs.exists(one.path)) listen(cgroupfs, one, ring)
  if (now.populated && !last.populated) yield { group, kind: 'populated' }
  for (const kind of ['oomKilled', 'memoryMax', 'pidsRefused', 'throttled'] as const) {
    const count = now.counts[kind] - (anew ? 0n : last.counts[kind])
    if (count > 0n) yield { group, kind, count }
  }
  if (!now.populated && last.populated) yield { group, kind: 'emptied' }
}

/** Begins to listen, or begins again when the group was made anew: a watch is of the file that was there. */
function listen(cgroupfs: Cgroupfs, one: Watched, ring: () => void): void {
  for (const stop of one.stops.splice(0)) stop()
  if (!cgroupfs.exists(one.path)) return
  for (const file of telling) {
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

/** Wakes whoever waits; a ring while nobody waits is not lost. Rings that come together are one. */
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
        // A storm of notices must not become a storm of looks.
        await sleep(10)
      }
      rung = false
    },
  }
}

import { addReading } from '@puppy/host/counters'
import type { Usage } from './usage.ts'

const counters = [
  'cpuUsec',
  'throttledUsec',
  'readBytes',
  'writtenBytes',
  'readOperations',
  'writtenOperations',
  'oomKills',
  'forksRefused',
] as const

type Counter = (typeof counters)[number]

/** What a group has used since it was made: the counters of the kernel, which only grow. */
export type UsageReading = Readonly<Record<Counter, bigint>>

/** A total that never falls, and the last reading that was added. */
export interface Meter extends UsageReading {
  readonly last: UsageReading
}

/** Returns the counters of a usage. Pure. An absent one counts as 0: nothing was used that could be seen. */
export function readingOf(usage: Usage): UsageReading {
  const devices = [...(usage.io?.values() ?? [])]
  const sum = (key: 'rbytes' | 'wbytes' | 'rios' | 'wios') => devices.reduce((total, device) => total + device[key], 0n)
  return {
    cpuUsec: usage.cpu?.usageUsec ?? 0n,
    throttledUsec: usage.cpu?.throttledUsec ?? 0n,
    readBytes: sum('rbytes'),
    writtenBytes: sum('wbytes'),
    readOperations: sum('rios'),
    writtenOperations: sum('wios'),
    oomKills: usage.memory?.events?.oomKill ?? 0n,
    forksRefused: usage.pids?.refused ?? 0n,
  }
}

/**
 * Adds what is new in a reading to a total. Pure.
 *
 * `cpuUsec` below the last one means that the group is another one of the same name: a user's slice is removed with the last session.
 * Then all of the reading is new. Another counter that fell (a controller switched off and on, a disk removed) started again by itself. An
 * undefined reading, of a group that does not exist, leaves the total as it is and makes the next one new. What was used between the last
 * reading and the end of a group is lost.
 */
export function addUsage(previous: Meter | undefined, reading: UsageReading | undefined): Meter {
  const now = reading ?? zero
  if (previous === undefined) return { ...now, last: now }
  const { last, ...total } = previous
  const added = addReading({ total, last }, now, now.cpuUsec < last.cpuUsec)
  return { ...added.total, last: added.last }
}

const zero = Object.freeze(Object.fromEntries(counters.map((counter) => [counter, 0n])) as Record<Counter, bigint>)

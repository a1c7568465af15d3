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

/** The counters of the kernel for a group since it was created. They only grow. */
export type UsageReading = Readonly<Record<Counter, bigint>>

/** A total that never decreases, and the last reading that was added. */
export interface Meter extends UsageReading {
  readonly last: UsageReading
}

/** Returns the counters of a usage. An absent counter is 0. Pure. */
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
 * Adds the increase since the last reading to a total. Pure.
 *
 * A `cpuUsec` below the last one means a new group of the same name, because the slice of a user is removed with the last session. Then the
 * whole reading is added. If another counter is lower (a controller was disabled and enabled, or a disk was removed), only that counter
 * started again. An undefined reading means that the group does not exist. It does not change the total, and the whole next reading is
 * added. The usage between the last reading and the end of a group is lost.
 */
export function addUsage(previous: Meter | undefined, reading: UsageReading | undefined): Meter {
  const now = reading ?? zero
  if (previous === undefined) return { ...now, last: now }
  const { last, ...total } = previous
  const added = addReading({ total, last }, now, now.cpuUsec < last.cpuUsec)
  return { ...added.total, last: added.last }
}

const zero = Object.freeze(Object.fromEntries(counters.map((counter) => [counter, 0n])) as Record<Counter, bigint>)

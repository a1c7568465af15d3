import { isDeepStrictEqual } from 'node:util'
import { slotAt, slotCount, type SlotLayout } from '@puppy/accounts'
import {
  addUsage,
  readingOf,
  readUsage,
  slicePath,
  userSlice,
  type Cgroupfs,
  type Meter,
  type Usage,
  type UsageReading,
} from '@puppy/cgroups'
import type { Host } from '@puppy/host'
import { readBootId } from '@puppy/host/proc'
import type { Database } from '@puppy/state'
import { recordOthers } from '@puppy/state/store/record'
import {
  listProcessesUsed,
  recordProcessesUsed,
  type ProcessCounters,
  type ProcessesUsed,
} from '@puppy/state/store/usage'

/** Where the use of slices is read, and how a reset of their counters is recognised. */
export interface ProcessSource {
  readonly machine: Host
  readonly layout: SlotLayout
  /** The cgroup tree. Default: that of the machine. */
  readonly cgroupfs?: Cgroupfs
}

/**
 * Adds what the processes of accounts have used since the last sample to the totals of the accounts.
 *
 * A slot has no process when an account gets it, and systemd removes the slice after its last process. So everything that the slice has
 * counted belongs to the account.
 *
 * @throws CgroupError `CGROUP_UNREADABLE`
 */
export async function sampleProcesses(
  database: Database,
  host: string,
  { machine, layout, cgroupfs }: ProcessSource,
): Promise<void> {
  const accounts = (await listProcessesUsed(database, host)).filter(({ n }) => n < slotCount(layout))
  if (accounts.length === 0) return
  const boot = (await readBootId(machine)) ?? ''
  const pathOf = (n: number) => slicePath(userSlice(slotAt(layout, n).uid))
  const usages = await readUsage(
    machine,
    accounts.map(({ n }) => pathOf(n)),
    { parts: ['cpu', 'memory', 'pids', 'io'], ...(cgroupfs === undefined ? {} : { cgroupfs }) },
  )
  const used = accounts.flatMap(({ account, n, before }) => {
    const processes = useOf(before, usages.get(pathOf(n)), boot)
    return isDeepStrictEqual(processes, before) ? [] : [{ account, processes }]
  })
  await recordOthers(database, used, recordProcessesUsed)
}

/** Returns the use of an account so far. A slice that does not exist uses nothing, and counts from zero when it is created. Pure. */
export function useOf(before: ProcessesUsed | null, usage: Usage | undefined, boot: string): ProcessesUsed {
  const reading = usage === undefined ? undefined : readingOf(usage)
  const { last, ...total } = addUsage(before === null ? undefined : meterOf(before, boot), reading)
  return {
    total: numbers(total),
    now: {
      memoryBytes: Number(usage?.memory?.current ?? 0n),
      processes: Number(usage?.pids?.current ?? 0n),
    },
    last: numbers(last),
    disks: usage?.io !== undefined || before?.disks === true,
    boot,
  }
}

/** Returns the previous reading. After a boot it is zero: a boot resets every counter, even if the new count is already higher. */
function meterOf({ total, last, boot: then }: ProcessesUsed, boot: string): Meter {
  return { ...bigints(total), last: then === boot ? bigints(last) : readingOf({}) }
}

function bigints(values: ProcessCounters): UsageReading {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, BigInt(value)])) as UsageReading
}

function numbers(values: UsageReading): ProcessCounters {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Number(value)])) as Record<
    keyof UsageReading,
    number
  >
}

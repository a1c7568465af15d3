import { setTimeout as sleep } from 'node:timers/promises'
import type { Slot } from '@puppy/accounts'
import type { Host } from '@puppy/host'
import { findOrphans, planQuota, type Quota, type QuotaPlace, type QuotaReading } from '@puppy/quota'
import type { Finding, View } from '../facilities/facility.ts'

/** Where the files of a slot are counted. */
export interface Counted {
  readonly host: Host
  readonly quota: Quota
  /** Where the file system of the homes is mounted. */
  readonly mountPoint: string
}

/** XFS frees deleted files after the call that deleted them; sync(1) makes it faster. It never counts less than there is. */
const attempts = 5
const pause = 500
const slowly = { sync: true, timeout: 300_000 }

/**
 * Returns what the uids of released slots with new homes still own elsewhere on the file system, by slot number. Slots that own nothing
 * more are left out.
 *
 * The kernel counts every file as an inode, wherever it is hidden. So the count is a proof, and a search for files is not.
 */
export async function readLeft(
  { host, quota, mountPoint }: Counted,
  slots: readonly Slot[],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, string>> {
  const uids = slots.map(({ uid }) => uid)
  for (let attempt = 1; ; attempt += 1) {
    const readings = await quota.report(uids, { signal, ...(attempt === 1 ? {} : slowly) })
    const inHomes = await countInHomes(host, slots, signal)
    const left = slots.flatMap(({ n, uid }, at): [number, string][] => {
      const reading = readings[at]
      const message = reading === undefined ? undefined : leftOf(reading, inHomes.get(uid) ?? 0, mountPoint)
      return message === undefined ? [] : [[n, message]]
    })
    if (left.length === 0 || attempt === attempts) return new Map(left)
    await sleep(pause, undefined, { signal })
  }
}

function leftOf({ id, bytes, inodes }: QuotaReading, inHome: number, mountPoint: string): string | undefined {
  if (inodes.used <= inHome) return undefined
  return `uid ${id} owns ${filesOf(inodes.used - inHome)} outside its new home (${bytes.used} bytes in total); ${listing(id, mountPoint)}`
}

function listing(uid: number, mountPoint: string): string {
  return `list them with "find ${mountPoint} -xdev -uid ${uid}" and delete them (it does not list deleted files that are still open)`
}

function filesOf(count: number): string {
  return count === 1 ? '1 file' : `${count} files`
}

/** Counts the files in the homes of slots, by the uid that owns them. */
async function countInHomes(
  host: Host,
  slots: readonly Slot[],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, number>> {
  const there = await Promise.all(
    slots.map(async ({ home }) => ((await host.status(home))?.kind === 'folder' ? [home] : [])),
  )
  const homes = there.flat()
  if (homes.length === 0) return new Map()
  const find = host.program('find') ?? '/usr/bin/find'
  // Exit code 1: a folder was deleted meanwhile.
  const options = { touches: 'nothing', accept: [0, 1], timeout: 60_000, signal } as const
  const { stdout } = await host.run([find, ...homes, '-xdev', '-printf', '%U\\n'], options)
  const counts = new Map<number, number>()
  for (const line of stdout.split('\n').slice(0, -1)) counts.set(Number(line), (counts.get(Number(line)) ?? 0) + 1)
  return counts
}

/** Lifts the limits of these uids. Returns error messages by uid. Writes nothing for uids without limits. */
export async function liftLimits(
  quota: Quota,
  place: QuotaPlace,
  uids: readonly number[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<ReadonlyMap<number, string>> {
  if (uids.length === 0) return new Map()
  const none = { soft: 'none', hard: 'none' } as const
  const spec = uids.map((id) => ({ id, bytes: none, inodes: none }))
  const changeSet = planQuota(spec, { ...place, readings: await quota.report(undefined, options) })
  const { results } = await quota.apply(changeSet, options)
  return new Map(results.flatMap(({ id, error }) => (error === undefined ? [] : [[id, error.message] as const])))
}

/** How many findings are listed. */
const most = 20

/** Finds uids in the range of slots that own files or have limits although no account has them: they have no slot, or a free one. */
export async function findLeft(
  counted: Counted,
  { builtSlots }: View,
  tenantUids: { readonly first: number; readonly last: number },
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { host, quota, mountPoint } = counted
  const readings = await quota.report(undefined, { signal })
  const free = builtSlots.filter(({ free: isFree }) => isFree).map(({ slot }) => slot)
  const inHomes = await countInHomes(host, free, signal)
  const taken = builtSlots.filter(({ free: isFree }) => !isFree).map(({ slot }) => slot.uid)
  const slots = new Set(builtSlots.map(({ slot }) => slot.uid))
  const findings = findOrphans(readings, taken, tenantUids).flatMap(({ id, bytes, inodes, limited }) => {
    const files = inodes - (inHomes.get(id) ?? 0)
    if (files <= 0 && !limited) return []
    const owns = files > 0 ? [`it owns ${filesOf(files)} (${bytes} bytes in total): ${listing(id, mountPoint)}`] : []
    const has = limited ? [`it has disk limits: remove them with "setquota -u ${id} 0 0 0 0 ${mountPoint}"`] : []
    const whose = slots.has(id) ? 'its slot is free' : 'no slot has it'
    return [{ works: false, what: `uid ${id} (${whose})`, otherwise: [...owns, ...has].join('; ') }]
  })
  const more = findings.length - most
  return [
    ...findings.slice(0, most),
    ...(more > 0
      ? [{ works: false, what: `${more} more uids`, otherwise: 'they also own files or have disk limits' }]
      : []),
  ]
}

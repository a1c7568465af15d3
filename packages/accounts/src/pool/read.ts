import type { EffectOptions, FileStatus, Host } from '@puppy/host'
import { parseGroup, type GroupEntry, type PasswdEntry, type ShadowEntry } from '../passwd.ts'
import { noReservations, readReserved, type PortReservations } from '../reserved.ts'
import { assertSlots, type Slot, type SlotLayout } from '../slots.ts'
import { readGroups, readShadow, readUsers } from '../users.ts'

/** The users, groups and homes where slots are, or should be. */
export interface SlotsObservation {
  readonly layout: SlotLayout
  /** Every user that has a slot's name or uid, wherever the machine's users come from. */
  readonly users: readonly PasswdEntry[]
  /** Every group that has a slot's name or gid, the shared group, and the group that has its gid. */
  readonly groups: readonly GroupEntry[]
  /** The groups of the local file, where a user that does not exist yet may already be a member. */
  readonly localGroups: readonly GroupEntry[]
  /** Absent when this process may not read `/etc/shadow`. */
  readonly shadow?: readonly ShadowEntry[]
  /** By slot number. Links are not followed. A home that does not exist is not in the map. */
  readonly homes: ReadonlyMap<number, FileStatus>
  /** The plain files of `/etc/skel`, which a new home gets copies of. */
  readonly skeleton: readonly string[]
}

/** A slot that is to exist. */
export interface PoolSlot extends Slot {
  /** A tenant has it and may use its ports, so reservations and listeners do not block it. Default false. */
  readonly taken?: boolean
}

/** What a pool is compared with. */
export interface PoolObservation extends SlotsObservation {
  /** What the ports of a slot that is not taken may conflict with. */
  readonly reserved: PortReservations
}

export interface PoolReadOptions extends EffectOptions {
  /** What the ports may conflict with. Default: read from the machine, or nothing when the host is only a folder. */
  readonly reserved?: PortReservations
}

/**
 * Reads what `planPool` compares these slots with. Reading `/etc/shadow` needs root.
 *
 * @throws AccountError `ACCOUNT_PROGRAM_MISSING`; HostError `HOST_READ_FAILED`, `HOST_PROGRAM_FAILED`, `HOST_TIMEOUT`.
 * @throws RangeError, TypeError for a layout that cannot be used and for slots of another layout.
 */
export async function readPool(
  host: Host,
  layout: SlotLayout,
  slots: readonly Slot[],
  options: PoolReadOptions = {},
): Promise<PoolObservation> {
  assertSlots(layout, slots)
  const observed = await readSlots(host, layout, slots, options)
  const reserved = options.reserved ?? (host.live ? await readReserved(host, options) : noReservations)
  return { ...observed, reserved }
}

/** Reads the users, groups and homes of slots, and no ports. @throws as `readPool`. */
export async function readSlots(
  host: Host,
  layout: SlotLayout,
  slots: readonly Slot[],
  options: EffectOptions = {},
): Promise<SlotsObservation> {
  const [users, groups, shadow] = await Promise.all([
    readUsers(host, slots, options),
    readGroups(host, layout, slots, options),
    readShadow(host),
  ])
  return {
    layout,
    users,
    groups,
    localGroups: parseGroup((await host.read('/etc/group')) ?? ''),
    ...(shadow === undefined ? {} : { shadow }),
    homes: await readHomes(host, slots),
    skeleton: await readSkeleton(host),
  }
}

async function readHomes(host: Host, slots: readonly Slot[]): Promise<ReadonlyMap<number, FileStatus>> {
  const seen = await Promise.all(slots.map(async ({ n, home }) => [n, await host.status(home)] as const))
  return new Map(seen.filter((entry): entry is readonly [number, FileStatus] => entry[1] !== undefined))
}

/** Reads the names of the plain files in `/etc/skel`. Names that a tmpfiles.d line would have to quote are left out. */
export async function readSkeleton(host: Host): Promise<readonly string[]> {
  const names = (await host.list('/etc/skel')).filter((name) => /^[A-Za-z0-9._@+-]+$/.test(name))
  const kinds = await Promise.all(names.map(async (name) => (await host.status(`/etc/skel/${name}`))?.kind))
  return names.filter((_, index) => kinds[index] === 'file')
}

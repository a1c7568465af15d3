import { HostError, type EffectOptions, type FileStatus, type Host } from '@puppy/host'
import { readMounts } from '@puppy/host/proc'
import { userMounts } from '../mounts.ts'
import { parseGroup, type GroupEntry, type PasswdEntry, type ShadowEntry } from '../passwd.ts'
import { noReservations, readReserved, type PortReservations } from '../reserved.ts'
import { assertSlots, type Slot, type SlotLayout } from '../slots.ts'
import { readGroups, readShadow, readUsers } from '../users.ts'

/** The users, groups and homes that exist in the place of the slots. */
export interface SlotsObservation {
  readonly layout: SlotLayout
  /** Every user with the name or uid of a slot, from all sources of users on the machine. */
  readonly users: readonly PasswdEntry[]
  /** Every group with the name or gid of a slot, the shared group, and the group with its gid. */
  readonly groups: readonly GroupEntry[]
  /** The groups of the local file. A user that does not exist yet may already be a member there. */
  readonly localGroups: readonly GroupEntry[]
  /** Absent when this process may not read `/etc/shadow`. */
  readonly shadow?: readonly ShadowEntry[]
  /** By slot number, without following links. Missing homes are not in the map. */
  readonly homes: ReadonlyMap<number, FileStatus>
  /** The slots whose home is below a mount of a user, such as FUSE. Such a mount may refuse or never answer a request, also one of root. */
  readonly covered: ReadonlySet<number>
  /** The plain files of `/etc/skel` that are copied to a new home. */
  readonly skeleton: readonly string[]
}

/** A slot that should exist. */
export interface PoolSlot extends Slot {
  /** A tenant has the slot and may use its ports, so reservations and listeners do not block it. Default false. */
  readonly taken?: boolean
}

/** The state that `planPool` compares with the slots. */
export interface PoolObservation extends SlotsObservation {
  /** What can conflict with the ports of a slot that is not taken. */
  readonly reserved: PortReservations
}

export interface PoolReadOptions extends EffectOptions {
  /** What can conflict with the ports. Default: read from the machine, or nothing when the host is only a folder. */
  readonly reserved?: PortReservations
}

/**
 * Reads the state that `planPool` compares with these slots. Reading `/etc/shadow` needs root.
 *
 * @throws AccountError `ACCOUNT_PROGRAM_MISSING`; HostError `HOST_READ_FAILED`, `HOST_PROGRAM_FAILED`, `HOST_TIMEOUT`.
 * @throws RangeError, TypeError for an invalid layout and for slots of another layout.
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

/** Reads the users, groups and homes of slots, without ports. @throws as `readPool`. */
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
    ...(await readHomes(host, slots)),
    skeleton: await readSkeleton(host),
  }
}

async function readHomes(host: Host, slots: readonly Slot[]): Promise<Pick<SlotsObservation, 'homes' | 'covered'>> {
  const mounts = host.live ? userMounts(await readMounts(host)) : []
  const points = new Set(mounts.map(({ mount }) => mount.mountPoint))
  const covered = new Set(slots.filter(({ home }) => points.has(home)).map(({ n }) => n))
  const homes = new Map<number, FileStatus>()
  const read = async ({ n, home }: Slot) => {
    try {
      const status = await host.status(home)
      if (status !== undefined) homes.set(n, status)
    } catch (error) {
      // The mount is newer than the list. It must not fail other slots.
      if (!(error instanceof HostError)) throw error
      covered.add(n)
    }
  }
  await Promise.all(slots.filter(({ n }) => !covered.has(n)).map(read))
  return { homes, covered }
}

/** Reads the names of the plain files in `/etc/skel`. Leaves out names that need quotes in a tmpfiles.d line. */
export async function readSkeleton(host: Host): Promise<readonly string[]> {
  const names = (await host.list('/etc/skel')).filter((name) => /^[A-Za-z0-9._@+-]+$/.test(name))
  const kinds = await Promise.all(names.map(async (name) => (await host.status(`/etc/skel/${name}`))?.kind))
  return names.filter((_, index) => kinds[index] === 'file')
}

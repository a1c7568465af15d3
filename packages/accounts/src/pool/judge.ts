import type { EffectOptions, FileStatus, Host } from '@puppy/host'
import { AccountError, type BlockReason } from '../errors.ts'
import type { GroupEntry, PasswdEntry, ShadowEntry } from '../passwd.ts'
import type { Slot, SlotLayout } from '../slots.ts'
import { readSlots, type SlotsObservation } from './read.ts'

/** Why a slot cannot be built. */
export interface Block {
  readonly reason: BlockReason
  readonly detail: string
}

/** Whether the place of a slot is free or its own, and which parts of it exist. */
export interface SlotState {
  /** Present when something that the slot needs belongs to another user, group or folder. Then nothing of the slot is changed. */
  readonly block?: Block
  readonly hasUser: boolean
  readonly hasGroup: boolean
  readonly isMember: boolean
  readonly home: 'absent' | 'wrong' | 'right' | 'covered'
  /** What an administrator changed and the pool does not revert: a shell other than that of the layout. */
  readonly kept?: string
}

/** An observation, indexed for lookups. */
export interface SlotIndex {
  readonly layout: SlotLayout
  readonly usersByName: ReadonlyMap<string, PasswdEntry>
  readonly usersByUid: ReadonlyMap<number, readonly PasswdEntry[]>
  readonly groupsByName: ReadonlyMap<string, GroupEntry>
  readonly groupsByGid: ReadonlyMap<number, readonly GroupEntry[]>
  readonly shadow?: ReadonlyMap<string, ShadowEntry>
  /** The groups of each member name, without the shared group. */
  readonly memberships: ReadonlyMap<string, readonly string[]>
  readonly shared: ReadonlySet<string>
  readonly homes: ReadonlyMap<number, FileStatus>
  readonly covered: ReadonlySet<number>
}

/** Indexes an observation by name and number. Names are in lower case, because a directory service may ignore case. Pure. */
export function indexSlots(seen: SlotsObservation): SlotIndex {
  const shared = seen.groups.find(({ name }) => name === seen.layout.group)
  const others = seen.localGroups.filter(({ name }) => name !== seen.layout.group)
  const members = others.flatMap(({ name, members }) => members.map((member) => ({ member, name })))
  return {
    layout: seen.layout,
    usersByName: new Map(seen.users.map((user) => [user.name.toLowerCase(), user])),
    usersByUid: Map.groupBy(seen.users, ({ uid }) => uid),
    groupsByName: new Map(seen.groups.map((group) => [group.name.toLowerCase(), group])),
    groupsByGid: Map.groupBy(seen.groups, ({ gid }) => gid),
    ...(seen.shadow === undefined ? {} : { shadow: new Map(seen.shadow.map((entry) => [entry.name, entry])) }),
    memberships: new Map(
      [...Map.groupBy(members, ({ member }) => member)].map(([member, rows]) => [member, rows.map(({ name }) => name)]),
    ),
    shared: new Set(shared?.members),
    homes: seen.homes,
    covered: seen.covered,
  }
}

/**
 * Checks the user, the groups and the home of one slot. Does not check its ports. Pure.
 *
 * A user belongs to the slot when it has the name, uid, gid and home of the slot, and a locked password. Another shell is a decision of an
 * administrator: it is kept and reported. A user with another home, another gid or an unlocked password is a foreign user.
 */
export function judgeSlot(slot: Slot, index: SlotIndex): SlotState {
  const user = index.usersByName.get(slot.user)
  const group = index.groupsByName.get(slot.user)
  const block = blockOf(slot, index)
  const otherShell = user !== undefined && user.shell !== index.layout.shell
  return {
    ...(block === undefined ? {} : { block }),
    hasUser: user !== undefined,
    hasGroup: group !== undefined,
    isMember: index.shared.has(slot.user),
    home: index.covered.has(slot.n) ? 'covered' : judgeHome(slot, index.homes.get(slot.n)),
    ...(otherShell ? { kept: `its shell is ${user.shell}, not ${index.layout.shell}` } : {}),
  }
}

/** Reads slots and checks each of them. Returns their states by slot number. @throws as `readSlots`. */
export async function readStates(
  host: Host,
  layout: SlotLayout,
  slots: readonly Slot[],
  options: EffectOptions,
): Promise<ReadonlyMap<number, SlotState>> {
  const index = indexSlots(await readSlots(host, layout, slots, options))
  return new Map(slots.map((slot) => [slot.n, judgeSlot(slot, index)]))
}

/** Creates the error for a slot that is not changed. Pure. @param operation the attempted operation: `scrub the slot` */
export function slotBlocked(operation: string, { user }: Slot, { reason, detail }: Block): AccountError {
  return new AccountError('ACCOUNT_SLOT_BLOCKED', { operation, target: user, reason, detail })
}

function judgeHome(slot: Slot, home: FileStatus | undefined): SlotState['home'] {
  if (home === undefined) return 'absent'
  return home.kind === 'folder' && home.mode === 0o700 && home.gid === slot.gid ? 'right' : 'wrong'
}

function blockOf(slot: Slot, index: SlotIndex): Block | undefined {
  return blockOfUser(slot, index) ?? blockOfGroup(slot, index) ?? blockOfHome(slot, index.homes.get(slot.n))
}

function blockOfUser(slot: Slot, index: SlotIndex): Block | undefined {
  const user = index.usersByName.get(slot.user)
  const other = index.usersByUid.get(slot.uid)?.find(({ name }) => name !== slot.user)
  const difference = user === undefined ? undefined : differenceOf(slot, user, index)
  if (difference !== undefined)
    return { reason: 'user_taken', detail: `the user ${slot.user} was not created for this slot: ${difference}` }
  if (other !== undefined)
    return { reason: 'uid_taken', detail: `the uid ${slot.uid} belongs to the user ${other.name}` }
  const [group] = index.memberships.get(slot.user) ?? []
  if (group === undefined) return undefined
  return { reason: 'user_taken', detail: `the user ${slot.user} is a member of the group ${group}` }
}

function differenceOf(slot: Slot, user: PasswdEntry, index: SlotIndex): string | undefined {
  if (user.name !== slot.user) return `its name is spelled ${user.name}`
  if (user.uid !== slot.uid) return `its uid is ${user.uid}, not ${slot.uid}`
  if (user.gid !== slot.gid) return `its gid is ${user.gid}, not ${slot.gid}`
  if (user.dir !== slot.home) return `its home is ${user.dir}, not ${slot.home}`
  if (index.shadow === undefined || index.shadow.get(slot.user)?.locked === true) return undefined
  return 'its password is not locked'
}

function blockOfGroup(slot: Slot, index: SlotIndex): Block | undefined {
  const group = index.groupsByName.get(slot.user)
  if (group !== undefined && group.gid !== slot.gid) {
    return { reason: 'group_taken', detail: `the group ${slot.user} has gid ${group.gid}, not ${slot.gid}` }
  }
  if (group !== undefined && group.members.length > 0) {
    return { reason: 'group_taken', detail: `the group ${slot.user} has members: ${group.members.join(', ')}` }
  }
  const other = index.groupsByGid.get(slot.gid)?.find(({ name }) => name !== slot.user)
  if (other === undefined) return undefined
  return { reason: 'gid_taken', detail: `the gid ${slot.gid} belongs to the group ${other.name}` }
}

function blockOfHome(slot: Slot, home: FileStatus | undefined): Block | undefined {
  if (home === undefined || (home.kind === 'folder' && home.uid === slot.uid)) return undefined
  const what = home.kind === 'folder' ? `belongs to uid ${home.uid}` : `is not a folder (kind: ${home.kind})`
  return { reason: 'home_taken', detail: `the home ${slot.home} ${what}` }
}

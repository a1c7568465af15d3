import type { FileStatus } from '@puppy/host'
import type { Slot, SlotLayout } from '../slots.ts'
import type { GroupEntry, PasswdEntry, ShadowEntry } from '../passwd.ts'
import type { PoolObservation } from './read.ts'

/** Why a slot cannot be used. */
export type BlockReason =
  | 'user_taken'
  | 'uid_taken'
  | 'group_taken'
  | 'gid_taken'
  | 'port_reserved'
  | 'port_in_use'
  | 'home_taken'

/** What keeps a slot from being built. */
export interface Block {
  readonly reason: BlockReason
  readonly message: string
}

/** Whether a slot's place is free or ours, and what of it is there. */
export interface Verdict {
  /** Somebody else is there; nothing may be touched. */
  readonly block?: Block
  readonly hasUser: boolean
  readonly hasGroup: boolean
  readonly isMember: boolean
  readonly home: 'absent' | 'wrong' | 'right'
  /** What a person changed and keeps: a shell that is not the layout's. */
  readonly kept?: string
}

/** An observation arranged for looking up. */
export interface PoolIndex {
  readonly layout: SlotLayout
  readonly usersByName: ReadonlyMap<string, PasswdEntry>
  readonly usersByUid: ReadonlyMap<number, readonly PasswdEntry[]>
  readonly groupsByName: ReadonlyMap<string, GroupEntry>
  readonly groupsByGid: ReadonlyMap<number, readonly GroupEntry[]>
  readonly shadow?: ReadonlyMap<string, ShadowEntry>
  /** The groups other than the shared one that a name is a member of. */
  readonly memberships: ReadonlyMap<string, readonly string[]>
  readonly shared: ReadonlySet<string>
  readonly homes: ReadonlyMap<number, FileStatus>
}

/** Arranges an observation by name and number; a directory that ignores case is met in lower case. */
export function indexPool(seen: PoolObservation): PoolIndex {
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
  }
}

/**
 * Judges one slot's user, groups and home; ports are not looked at.
 *
 * Ours is a user with exactly the slot's name, uid, gid and home, whose password is locked. Another shell is a
 * person's decision: it is kept and named. Another home, gid or an open password makes the user somebody else's.
 */
export function judgeSlot(slot: Slot, index: PoolIndex): Verdict {
  const user = index.usersByName.get(slot.user)
  const group = index.groupsByName.get(slot.user)
  const block = blockOf(slot, index)
  const other = user !== undefined && user.shell !== index.layout.shell
  return {
    ...(block === undefined ? {} : { block }),
    hasUser: user !== undefined,
    hasGroup: group !== undefined,
    isMember: index.shared.has(slot.user),
    home: judgeHome(slot, index.homes.get(slot.n)),
    ...(other ? { kept: `its shell is ${user.shell}, not ${index.layout.shell}` } : {}),
  }
}

function judgeHome(slot: Slot, home: FileStatus | undefined): Verdict['home'] {
  if (home === undefined) return 'absent'
  return home.kind === 'folder' && home.mode === 0o700 && home.gid === slot.gid ? 'right' : 'wrong'
}

function blockOf(slot: Slot, index: PoolIndex): Block | undefined {
  return blockOfUser(slot, index) ?? blockOfGroup(slot, index) ?? blockOfHome(slot, index.homes.get(slot.n))
}

function blockOfUser(slot: Slot, index: PoolIndex): Block | undefined {
  const user = index.usersByName.get(slot.user)
  const other = index.usersByUid.get(slot.uid)?.find(({ name }) => name !== slot.user)
  const wrong = user === undefined ? undefined : wrongUser(slot, user, index)
  if (wrong !== undefined) return { reason: 'user_taken', message: `The user ${slot.user} is not ours: ${wrong}` }
  if (other !== undefined) return { reason: 'uid_taken', message: `The uid ${slot.uid} is ${other.name}'s` }
  const [group] = index.memberships.get(slot.user) ?? []
  if (group === undefined) return undefined
  return { reason: 'user_taken', message: `${slot.user} is a member of the group ${group}` }
}

function wrongUser(slot: Slot, user: PasswdEntry, index: PoolIndex): string | undefined {
  if (user.name !== slot.user) return `it is written ${user.name}`
  if (user.uid !== slot.uid) return `its uid is ${user.uid}, not ${slot.uid}`
  if (user.gid !== slot.gid) return `its gid is ${user.gid}, not ${slot.gid}`
  if (user.dir !== slot.home) return `its home is ${user.dir}, not ${slot.home}`
  if (index.shadow === undefined || index.shadow.get(slot.user)?.locked === true) return undefined
  return 'its password is not locked'
}

function blockOfGroup(slot: Slot, index: PoolIndex): Block | undefined {
  const group = index.groupsByName.get(slot.user)
  if (group !== undefined && group.gid !== slot.gid) {
    return { reason: 'group_taken', message: `The group ${slot.user} has gid ${group.gid}, not ${slot.gid}` }
  }
  if (group !== undefined && group.members.length > 0) {
    return { reason: 'group_taken', message: `The group ${slot.user} has members: ${group.members.join(', ')}` }
  }
  const other = index.groupsByGid.get(slot.gid)?.find(({ name }) => name !== slot.user)
  return other === undefined ? undefined : { reason: 'gid_taken', message: `The gid ${slot.gid} is ${other.name}'s` }
}

function blockOfHome(slot: Slot, home: FileStatus | undefined): Block | undefined {
  if (home === undefined || (home.kind === 'folder' && home.uid === slot.uid)) return undefined
  const what = home.kind === 'folder' ? `belongs to uid ${home.uid}` : `is no folder but a ${home.kind}`
  return { reason: 'home_taken', message: `The home ${slot.home} ${what}` }
}

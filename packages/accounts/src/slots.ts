/** The numbers and names from which all slots of a host are computed. */
export interface SlotLayout {
  /** The prefix of every user name. The uid follows it. */
  readonly prefix: string
  readonly firstUid: number
  readonly firstPort: number
  readonly portsPerSlot: number
  /** Exclusive. `ip_local_port_range` begins at this port. SELinux checks `bind` only for ports outside of that range. */
  readonly portLimit: number
  /** The folder that contains the homes. */
  readonly homes: string
  readonly shell: string
  /** The group with all tenants as members. Its gid is `firstUid - 1` when that gid is free. */
  readonly group: string
}

/** The default layout: 2,816 slots, starting with `p10000`. */
export const defaultLayout: SlotLayout = Object.freeze({
  prefix: 'p',
  firstUid: 10_000,
  firstPort: 10_240,
  portsPerSlot: 8,
  portLimit: 32_768,
  homes: '/home',
  shell: '/bin/bash',
  group: 'puppy-tenants',
})

/** A place for one tenant. Every field is computed from `n`. `planPool` checks whether the slot can be used. */
export interface Slot {
  /** The number of the slot, starting from 0. */
  readonly n: number
  readonly user: string
  readonly uid: number
  /** The gid of the private group, which has the same name and number as the user. */
  readonly gid: number
  readonly home: string
  readonly ports: readonly number[]
}

interface Range {
  readonly first: number
  readonly last: number
  readonly owner: string
}

/** Uids that Linux or systemd reserves, inclusive. @see systemd's "Users, Groups, UIDs and GIDs" */
const foreign: readonly Range[] = [
  { first: -Infinity, last: 999, owner: 'system users' },
  { first: 60_001, last: 60_513, owner: 'systemd-homed' },
  { first: 60_514, last: 60_577, owner: 'host users in containers' },
  { first: 61_184, last: 65_519, owner: 'DynamicUser=' },
  { first: 65_534, last: 65_534, owner: 'nobody' },
  { first: 65_535, last: 65_535, owner: 'the 16-bit "no user"' },
  { first: 100_000, last: 600_100_000, owner: 'subordinate uids' },
  { first: 524_288, last: 1_879_048_191, owner: 'containers' },
  { first: 2_147_352_576, last: Infinity, owner: 'foreign images and the 32-bit "no user"' },
]

const name = /^[a-z_][a-z0-9_-]{0,30}$/
const path = /^(\/[A-Za-z0-9_][A-Za-z0-9._-]*)+$/

/** Returns the number of slots that fit into the port range of a layout: 2,816 by default. Pure. */
export function slotCount(layout: SlotLayout): number {
  return Math.max(0, Math.floor((layout.portLimit - layout.firstPort) / layout.portsPerSlot))
}

/** Returns slot `n` of a layout. Pure. @throws RangeError when n is not an integer from 0 to `slotCount - 1`. */
export function slotAt(layout: SlotLayout, n: number): Slot {
  const count = slotCount(layout)
  if (!Number.isInteger(n) || n < 0 || n >= count)
    throw new RangeError(`Slot ${n} does not exist: slots are 0 to ${count - 1}`)
  const uid = layout.firstUid + n
  const user = `${layout.prefix}${uid}`
  const firstPort = layout.firstPort + layout.portsPerSlot * n
  const ports = Array.from({ length: layout.portsPerSlot }, (_, index) => firstPort + index)
  return Object.freeze({ n, user, uid, gid: uid, home: `${layout.homes}/${user}`, ports: Object.freeze(ports) })
}

/** Returns the gid that the shared group should have: the number before the first uid, or undefined when that number is reserved. Pure. */
export function sharedGid(layout: SlotLayout): number | undefined {
  const gid = layout.firstUid - 1
  return foreign.some((range) => gid >= range.first && gid <= range.last) ? undefined : gid
}

/**
 * Checks that the slots of a layout cannot collide with other users, and that its names and paths are safe in all files. Pure.
 *
 * It refuses the uids of the system, systemd-homed, `DynamicUser=`, `nobody`, containers and subordinate ids.
 *
 * @throws RangeError for numbers, TypeError for names and paths.
 * @see passwd(5), and systemd's "Users, Groups, UIDs and GIDs"
 */
export function assertLayout(layout: SlotLayout): void {
  assertPorts(layout)
  assertUids(layout)
  const last = slotAt(layout, slotCount(layout) - 1)
  if (!name.test(last.user))
    throw new TypeError(`"${last.user}" is invalid as a user name: it must match ${name.source}`)
  if (!name.test(layout.group))
    throw new TypeError(`"${layout.group}" is invalid as a group name: it must match ${name.source}`)
  if (layout.group.startsWith(layout.prefix) && /^[0-9]+$/.test(layout.group.slice(layout.prefix.length))) {
    throw new TypeError(`The name of the shared group "${layout.group}" could be that of a slot: choose another name`)
  }
  for (const word of [layout.homes, layout.shell]) {
    if (!path.test(word))
      throw new TypeError(`"${word}" is invalid: it must be an absolute path of letters, digits and ._-`)
  }
}

function assertPorts({ firstPort, portsPerSlot, portLimit }: SlotLayout): void {
  for (const [word, value, least, most] of [
    ['firstPort', firstPort, 1024, 65_535],
    ['portsPerSlot', portsPerSlot, 1, 1024],
    ['portLimit', portLimit, firstPort + portsPerSlot, 65_536],
  ] as const) {
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new RangeError(`${word} is ${value}, but must be an integer from ${least} to ${most}`)
    }
  }
}

function assertUids(layout: SlotLayout): void {
  const first = layout.firstUid
  if (!Number.isInteger(first)) throw new RangeError(`firstUid is ${first}, but must be an integer`)
  const last = first + slotCount(layout) - 1
  const met = foreign.find((range) => first <= range.last && last >= range.first)
  if (met === undefined) return
  throw new RangeError(
    `The uids ${first} to ${last} overlap with ${met.first} to ${met.last}, which are reserved for ${met.owner}`,
  )
}

/** Checks that slots belong to this layout, so that no file or process of another user is changed. Pure. @throws RangeError, TypeError */
export function assertSlots(layout: SlotLayout, slots: readonly Slot[]): void {
  assertLayout(layout)
  for (const slot of slots) {
    const own = slotAt(layout, slot.n)
    if ((['user', 'uid', 'gid', 'home'] as const).some((part) => own[part] !== slot[part])) {
      throw new TypeError(`Slot ${slot.n} (${slot.user}) does not belong to this layout`)
    }
  }
}

/**
 * Checks that a uid can belong to a tenant. It refuses uids below 1000 and the reserved uids of systemd, `nobody` and containers. Pure.
 * @throws RangeError
 */
export function assertTenantUid(uid: number): void {
  const owner = foreign.find((range) => uid >= range.first && uid <= range.last)?.owner
  if (Number.isInteger(uid) && owner === undefined) return
  throw new RangeError(
    `Uid ${uid} cannot belong to a tenant${owner === undefined ? '' : `: it is reserved for ${owner}`}`,
  )
}

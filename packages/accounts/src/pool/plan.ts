import type { Change, ChangeSet, Refused } from '@puppy/host'
import type { AccountError } from '../errors.ts'
import type { PortReservations } from '../reserved.ts'
import { sharedGid, type Slot, type SlotLayout } from '../slots.ts'
import { indexSlots, judgeSlot, slotBlocked, type Block, type SlotIndex, type SlotState } from './judge.ts'
import type { PoolObservation, PoolSlot } from './read.ts'

/** A slot that cannot be built, with the reason. */
export interface RefusedSlot extends Refused<AccountError> {
  readonly n: number
}

/** The missing parts of one slot. */
export interface SlotWork {
  readonly slot: Slot
  /** Whether its user, its private group, or its membership in the shared group is missing. */
  readonly account: boolean
  /** `create` also copies the skeleton. `repair` sets mode and group of an existing home. */
  readonly home: 'create' | 'repair' | 'none'
  /** The observed state of the slot. */
  readonly before: SlotState
}

/** The observed shared group. */
export interface SharedGroup {
  readonly exists: boolean
  /** The gid that the group should get. Absent when the group exists, or when `systemd-sysusers` chooses the gid. */
  readonly gid?: number
}

/** The differences between a pool and its slots. The targets are user names and the shared group. */
export interface PoolChangeSet extends ChangeSet<Change, AccountError> {
  readonly refused: readonly RefusedSlot[]
  /** Slots that are already right. */
  readonly ready: readonly Slot[]
  /** What an administrator changed and `apply` does not revert. */
  readonly kept: readonly { readonly n: number; readonly message: string }[]
  /** The changes that `apply` performs, one entry for each slot. */
  readonly work: readonly SlotWork[]
  readonly group: SharedGroup
  readonly skeleton: readonly string[]
}

/**
 * Plans the changes that make these slots ready. Pure.
 *
 * A slot is refused and never changed if its name, uid, gid or home belongs to another user or group, or if one of its ports is reserved or
 * in use. A listener of its own user is allowed. The ports of a taken slot are not checked.
 */
export function planPool(slots: readonly PoolSlot[], observed: PoolObservation): PoolChangeSet {
  const index = indexSlots(observed)
  const ports = indexPorts(observed.reserved)
  const judged = slots.map((slot) => {
    const state = judgeSlot(slot, index)
    return { slot, state, block: state.block ?? (slot.taken === true ? undefined : blockOfPorts(slot, ports)) }
  })
  const open = judged.filter(({ block }) => block === undefined)
  const work = open.map(({ slot, state }) => workOf(slot, state)).filter(hasWork)
  const busy = new Set(work.map(({ slot }) => slot.n))
  const group = sharedGroup(index)
  return {
    changes: [
      ...groupChange(observed.layout, group, work),
      ...work.flatMap((item) => changesOf(item, observed.layout)),
    ],
    refused: judged.flatMap(({ slot, block }) =>
      block === undefined ? [] : [{ n: slot.n, target: slot.user, error: slotBlocked('build the slot', slot, block) }],
    ),
    ready: open.map(({ slot }) => slot).filter(({ n }) => !busy.has(n)),
    kept: open.flatMap(({ slot, state }) => (state.kept === undefined ? [] : [{ n: slot.n, message: state.kept }])),
    work,
    group,
    skeleton: observed.skeleton,
  }
}

/** Returns whether the shared group exists, and otherwise the gid that it should get. Pure. */
export function sharedGroup({ layout, groupsByName, groupsByGid }: SlotIndex): SharedGroup {
  if (groupsByName.has(layout.group)) return { exists: true }
  const gid = sharedGid(layout)
  return gid === undefined || groupsByGid.has(gid) ? { exists: false } : { exists: false, gid }
}

function workOf(slot: Slot, before: SlotState): SlotWork {
  const home = before.home === 'absent' ? 'create' : before.home === 'wrong' ? 'repair' : 'none'
  return { slot, account: !(before.hasUser && before.hasGroup && before.isMember), home, before }
}

function hasWork({ account, home }: SlotWork): boolean {
  return account || home !== 'none'
}

function groupChange(layout: SlotLayout, { exists, gid }: SharedGroup, work: readonly SlotWork[]): readonly Change[] {
  if (exists || !work.some(({ account }) => account)) return []
  const after = gid === undefined ? 'a free gid' : `gid ${gid}`
  const command = ['groupadd', ...(gid === undefined ? ['--system'] : ['--gid', `${gid}`]), layout.group].join(' ')
  return [{ facility: 'accounts', target: layout.group, action: 'create group', after, command }]
}

function changesOf({ slot, account, home }: SlotWork, layout: SlotLayout): readonly Change[] {
  const common = { facility: 'accounts', target: slot.user } as const
  const command = `useradd --uid ${slot.uid} --user-group --groups ${layout.group} --home-dir ${slot.home} --shell ${layout.shell} ${slot.user}`
  return [
    ...(account ? [{ ...common, action: 'create account', after: `uid ${slot.uid}, gid ${slot.gid}`, command }] : []),
    ...(home === 'none'
      ? []
      : [
          {
            ...common,
            action: `${home} home`,
            after: `${slot.home} 0700`,
            command: `install -d -m 0700 -o ${slot.user} -g ${slot.user} ${slot.home}`,
          },
        ]),
  ]
}

interface PortIndex {
  readonly owners: ReadonlyMap<number, string>
  readonly listeners: ReadonlyMap<number, readonly { readonly uid: number; readonly address: string }[]>
}

function indexPorts({ services, labels, listeners }: PortReservations): PortIndex {
  const owners = new Map<number, string>()
  for (const { first, last, owner } of [...services, ...labels]) {
    for (let port = first; port <= last; port += 1) owners.set(port, owner)
  }
  return { owners, listeners: Map.groupBy(listeners, ({ port }) => port) }
}

function blockOfPorts(slot: Slot, { owners, listeners }: PortIndex): Block | undefined {
  const reserved = slot.ports.find((port) => owners.has(port))
  if (reserved !== undefined) {
    return { reason: 'port_reserved', detail: `port ${reserved} is reserved for ${owners.get(reserved)}` }
  }
  for (const port of slot.ports) {
    const other = listeners.get(port)?.find(({ uid }) => uid !== slot.uid)
    if (other === undefined) continue
    return { reason: 'port_in_use', detail: `uid ${other.uid} listens on ${other.address}, port ${port}` }
  }
  return undefined
}

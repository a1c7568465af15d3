import type { AccountChange } from '../change.ts'
import { sharedGid, type Slot, type SlotLayout } from '../slots.ts'
import type { PortReservations } from '../reserved.ts'
import { indexPool, judgeSlot, type Block, type BlockReason, type PoolIndex, type Verdict } from './judge.ts'
import type { PoolObservation } from './read.ts'

/** A slot that cannot be built, and why. */
export interface BlockedSlot {
  readonly n: number
  readonly reason: BlockReason
  readonly message: string
}

/** What one slot lacks. */
export interface SlotWork {
  readonly slot: Slot
  /** Its user, its private group, or its place in the shared group is missing. */
  readonly account: boolean
  /** `create` also copies the skeleton; `repair` sets mode and group of a home that is there. */
  readonly home: 'create' | 'repair' | 'none'
}

/** What would be done to a pool. Empty `changes`: nothing. */
export interface PoolPlan {
  readonly changes: readonly AccountChange[]
  readonly blocked: readonly BlockedSlot[]
  /** Slots that are exactly as they should be. */
  readonly ready: readonly number[]
  /** What a person changed and we leave alone. */
  readonly kept: readonly { readonly n: number; readonly message: string }[]
  readonly work: readonly SlotWork[]
  /** The gid the shared group is to get; absent when the group exists or sysusers is to choose. */
  readonly groupGid?: number
  readonly skeleton: readonly string[]
}

/**
 * Plans what makes these slots ready.
 *
 * Pure. A slot whose name, uid, gid or home somebody else has, or one of whose ports is spoken for, is blocked and
 * never touched. A listener that is the slot's own user is no obstacle. See `judgeSlot` for what counts as ours.
 */
export function planPool(slots: readonly Slot[], observed: PoolObservation, reserved: PortReservations): PoolPlan {
  const index = indexPool(observed)
  const ports = indexPorts(reserved)
  const judged = slots.map((slot) => {
    const verdict = judgeSlot(slot, index)
    return { slot, verdict, block: verdict.block ?? blockOfPorts(slot, ports) }
  })
  const open = judged.filter(({ block }) => block === undefined)
  const work = open
    .map(({ slot, verdict }) => workOf(slot, verdict))
    .filter((item) => item.account || item.home !== 'none')
  const busy = new Set(work.map(({ slot }) => slot.n))
  const gid = freeGid(observed.layout, index)
  return {
    changes: [
      ...groupChange(observed.layout, index, work, gid),
      ...work.flatMap((item) => changesOf(item, observed.layout)),
    ],
    blocked: judged.flatMap(({ slot, block }) => (block === undefined ? [] : [{ n: slot.n, ...block }])),
    ready: open.map(({ slot }) => slot.n).filter((n) => !busy.has(n)),
    kept: open.flatMap(({ slot, verdict }) =>
      verdict.kept === undefined ? [] : [{ n: slot.n, message: verdict.kept }],
    ),
    work,
    ...(gid === undefined ? {} : { groupGid: gid }),
    skeleton: observed.skeleton,
  }
}

function workOf(slot: Slot, verdict: Verdict): SlotWork {
  const home = verdict.home === 'absent' ? 'create' : verdict.home === 'wrong' ? 'repair' : 'none'
  return { slot, account: !(verdict.hasUser && verdict.hasGroup && verdict.isMember), home }
}

function freeGid(layout: SlotLayout, index: PoolIndex): number | undefined {
  const gid = sharedGid(layout)
  if (gid === undefined || index.groupsByName.has(layout.group) || index.groupsByGid.has(gid)) return undefined
  return gid
}

function groupChange(
  layout: SlotLayout,
  index: PoolIndex,
  work: readonly SlotWork[],
  gid: number | undefined,
): readonly AccountChange[] {
  if (index.groupsByName.has(layout.group) || !work.some(({ account }) => account)) return []
  const after = gid === undefined ? 'a free gid' : `gid ${gid}`
  const command = ['groupadd', ...(gid === undefined ? ['--system'] : ['--gid', `${gid}`]), layout.group].join(' ')
  return [{ facility: 'accounts', target: layout.group, action: 'create group', after, command }]
}

function changesOf({ slot, account, home }: SlotWork, layout: SlotLayout): readonly AccountChange[] {
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
    return { reason: 'port_reserved', message: `Port ${reserved} is reserved for ${owners.get(reserved)}` }
  }
  for (const port of slot.ports) {
    const other = listeners.get(port)?.find(({ uid }) => uid !== slot.uid)
    if (other === undefined) continue
    return { reason: 'port_in_use', message: `Uid ${other.uid} listens on ${other.address}, port ${port}` }
  }
  return undefined
}

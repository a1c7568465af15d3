import { slotAt, slotCount, type Slot, type SlotLayout } from '@puppy/accounts'
import { parsePasswd } from '@puppy/accounts/passwd'
import type { Host } from '@puppy/host'
import { SelinuxError, type Policy, type PolicyChangeSet } from '@puppy/selinux'
import { renderTenantPolicy, renderTenantSlots, type TenantPolicy, type TenantSlot } from '@puppy/selinux/cil'
import { pairAt } from '@puppy/selinux/level'
import type { PlannedChange } from '@puppy/state/store/hosts'
import { assertApplied, plannedChanges } from './change-set.ts'

/** Our modules in the policy: what keeps tenants apart, and who they are. */
export const tenantModules = { tenants: 'puppy_tenants', slots: 'puppy_slots' } as const

/** A policy takes half a minute to build where the machine is emulated, and longer when others change it too. */
export const transactionTimes = { timeout: 300_000, patience: 300_000 } as const

/** What failed is not tried again in every pass. */
const patience = 120_000

/** Whether the policy labels every slot that it was told of. */
export type Standing = { readonly status: 'stands' } | NotStanding<'pending'> | NotStanding<'failed'>

interface NotStanding<Status extends string> {
  readonly status: Status
  readonly message: string
  /** What `start` applies: nothing while a transaction runs, or before a failed one is tried again. */
  readonly changes: readonly PlannedChange[]
}

/** A transaction costs the same for one slot and for many, so they get their levels before anybody needs them. */
const ahead = 512

/** The slots in the policy. They come and never go: a level that nobody has harms nobody. */
export interface SlotLabels {
  /**
   * Adds every slot up to one, and a good many after it. Those whose user or uid a person has are left away: the level would be that
   * person's.
   */
  reach(n: number): Promise<void>
  /** Reads the store and plans. Starts no process. */
  look(): Promise<Standing>
  /** Applies the change set of the last `look` beside the pass, when there is one and no transaction runs. */
  start(): void
  /** Whether it stood once and somebody has taken it away since, until it stands again. */
  lost(): boolean
}

export interface SlotLabelsOptions {
  readonly layout: SlotLayout
  /**
   * Says what is wrong with the policy that is loaded. It is asked after loading, and what does not hold is taken back; and once of a policy that
   * was there already, which nobody may have asked about.
   */
  readonly verify?: () => Promise<string | undefined>
}

export function slotLabels(host: Host, policy: Policy, { layout, verify }: SlotLabelsOptions): SlotLabels {
  const about: TenantPolicy = { ports: { first: layout.firstPort, last: layout.portLimit - 1 } }
  const known = new Set<number>()
  let rendered: { readonly size: number; readonly modules: Readonly<Record<string, string>> } | undefined
  let [reached, stood, gone] = [0, -1, false]
  let going: Promise<void> | undefined
  let failed: { readonly at: number; readonly message: string } | undefined
  let planned: { readonly size: number; readonly changeSet: PolicyChangeSet } | undefined

  const spec = () => {
    if (rendered?.size !== known.size) {
      const slots = [...known].toSorted((one, other) => one - other).map((n) => tenantOf(slotAt(layout, n)))
      const modules = {
        [tenantModules.tenants]: renderTenantPolicy(about),
        [tenantModules.slots]: renderTenantSlots(about, slots),
      }
      rendered = { size: known.size, modules }
    }
    return { modules: rendered.modules }
  }
  /** Of a policy that is in the store: it stands when it was verified. */
  const judge = async (): Promise<Standing> => {
    const complaint = stood === known.size ? undefined : await verify?.()
    if (complaint !== undefined) return { status: 'failed', message: complaint, changes: [] }
    ;[stood, gone, failed] = [known.size, false, undefined]
    return { status: 'stands' }
  }
  const patient = () => failed !== undefined && performance.now() - failed.at < patience

  return Object.freeze<SlotLabels>({
    reach: async (n) => {
      const end = Math.min((Math.floor(n / ahead) + 1) * ahead, slotCount(layout))
      if (end <= reached) return
      const users = parsePasswd((await host.read('/etc/passwd')) ?? '')
      const uids = new Map(users.map(({ name, uid }) => [name, uid]))
      const names = new Map(users.map(({ name, uid }) => [uid, name]))
      for (let slot = reached; slot < end; slot += 1) {
        const { user, uid } = slotAt(layout, slot)
        if ((uids.get(user) ?? uid) === uid && (names.get(uid) ?? user) === user) known.add(slot)
      }
      reached = end
    },
    look: async () => {
      planned = undefined
      try {
        const changeSet = policy.plan(spec(), await policy.read())
        // While a transaction runs the store may have what is reverted in a moment.
        if (changeSet.changes.length === 0 && going === undefined) return await judge()
        if (stood === known.size && going === undefined) gone = true
        planned = going === undefined && !patient() ? { size: known.size, changeSet } : undefined
      } catch (error) {
        if (!(error instanceof SelinuxError)) throw error
        return { status: 'failed', message: error.message, changes: [] }
      }
      const changes = planned === undefined ? [] : plannedChanges(planned.changeSet)
      if (going === undefined && failed !== undefined) return { status: 'failed', message: failed.message, changes }
      return {
        status: 'pending',
        message:
          'the levels and ports of the slots are not in the SELinux policy; the agent adds them, no action is needed',
        changes,
      }
    },
    start: () => {
      if (going !== undefined || planned === undefined) return
      const { size, changeSet } = planned
      planned = undefined
      going = policy
        .apply(changeSet, { ...transactionTimes, ...(verify === undefined ? {} : { verify }) })
        .then((applied) => {
          assertApplied(applied)
          failed = undefined
          stood = size
        })
        .catch((error: unknown) => {
          // Another process changed the policy meanwhile: the next pass plans again.
          if (error instanceof SelinuxError && error.code === 'SELINUX_CHANGED') return
          failed = { at: performance.now(), message: messageOf(error) }
        })
        .finally(() => {
          going = undefined
        })
    },
    lost: () => gone,
  })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'loading the SELinux policy failed without an error message'
}

/** The tenant of a slot as SELinux knows it: everything is arithmetic on the slot's number. */
export function tenantOf({ n, user, uid, home, ports }: Slot): TenantSlot & { readonly home: string } {
  return { login: user, uid, home, level: pairAt(n), ports: { first: ports[0] ?? 0, last: ports.at(-1) ?? 0 } }
}

import { slotAt, slotCount, type Slot, type SlotLayout } from '@puppy/accounts'
import { parsePasswd } from '@puppy/accounts/passwd'
import type { Host } from '@puppy/host'
import { SelinuxError, type Policy, type PolicyChangeSet } from '@puppy/selinux'
import { renderTenantPolicy, renderTenantSlots, type TenantPolicy, type TenantSlot } from '@puppy/selinux/cil'
import { pairAt } from '@puppy/selinux/level'
import type { PlannedChange } from '@puppy/state/store/hosts'
import { assertApplied, plannedChanges } from './change-set.ts'

/** The names of Puppy's SELinux modules: the rules that isolate tenants, and the logins, levels and ports of slots. */
export const tenantModules = { tenants: 'puppy_tenants', slots: 'puppy_slots' } as const

/** Building a policy takes half a minute on an emulated machine, and longer when other programs change it too. Milliseconds. */
export const transactionTimes = { timeout: 300_000, patience: 300_000 } as const

/** Milliseconds until a failed transaction is repeated. */
const patience = 120_000

/** Whether the policy has the levels of all slots that `reach` was called for. */
export type Standing = { readonly status: 'stands' } | NotStanding<'pending'> | NotStanding<'failed'>

interface NotStanding<Status extends string> {
  readonly status: Status
  readonly message: string
  /** What `start` applies. Empty while a transaction runs, and until a failed one may be repeated. */
  readonly changes: readonly PlannedChange[]
}

/** The number of slots for one transaction. A transaction takes as long for one slot as for many, so levels are added ahead of demand. */
const ahead = 512

/** The slots in the policy. Slots are added and never removed: a level that no account uses does no harm. */
export interface SlotLabels {
  /**
   * Adds every slot up to `n`, and more after it, to the spec. Leaves out slots whose user name or uid belongs to a person: otherwise the
   * person would get the level.
   */
  reach(n: number): Promise<void>
  /** Reads the policy store and plans. Starts no process. */
  look(): Promise<Standing>
  /** Applies the change set of the last `look` in the background. Does nothing without one, or while a transaction runs. */
  start(): void
  /** Returns whether the policy had the levels and another program removed them. False again when the policy has them again. */
  lost(): boolean
}

/** For which slots, and how a loaded policy is verified. */
export interface SlotLabelsOptions {
  readonly layout: SlotLayout
  /**
   * Returns what is wrong with the loaded policy, or undefined. It is called after each load, and a policy that is wrong is reverted. It is
   * also called once for a policy that was loaded before, because that one may not have been verified.
   */
  readonly verify?: () => Promise<string | undefined>
}

/** Creates the object that keeps the levels of slots in the policy. */
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
  /** Returns the standing of a policy that is in the store: `stands` when it was verified. */
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
        // While a transaction runs, the store may contain what is reverted a moment later.
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
          // Another process changed the policy after it was read. The next pass plans again.
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

/** Returns the tenant of a slot as SELinux knows it. Everything is computed from the slot's number. */
export function tenantOf({ n, user, uid, home, ports }: Slot): TenantSlot & { readonly home: string } {
  return { login: user, uid, home, level: pairAt(n), ports: { first: ports[0] ?? 0, last: ports.at(-1) ?? 0 } }
}

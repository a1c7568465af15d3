import { slotAt, slotCount, type Slot, type SlotLayout } from '@puppy/accounts'
import {
  findDisk,
  openCgroups,
  openSlices,
  readStrays,
  slicePath,
  userSlice,
  type Cgroupfs,
  type Slices,
  type SliceResult,
  type SliceSpec,
} from '@puppy/cgroups'
import { printable, type Host } from '@puppy/host'
import type { Policy } from '@puppy/selinux'
import type { Verdict } from '@puppy/state'
import type { FacilityState } from '@puppy/state/store/hosts'
import {
  servedNothing,
  type Facility,
  type Finding,
  type Given,
  type Served,
  type SlotToBuild,
  type Step,
  type Tenant,
  type View,
} from './facility.ts'
import { listProblems } from './findings.ts'
import { endSlices } from '../cgroups/end-slices.ts'
import { cgroupProfile } from '../sessions/cgroup-profile.ts'
import { profileKeeper, removeProfile } from '../sessions/profile.ts'
import { buildPortRules, emptySlice } from '../cgroups/slice-port-rules.ts'
import { throttledLimits } from '../cgroups/throttle.ts'

const condition = 'limits'

/** Where slices are limited. */
export interface CgroupsFacilityOptions {
  /** The host that runs tenants. When it is only a folder, this facility does not work: the cgroup tree belongs to the kernel. */
  readonly host: Host
  readonly layout: Pick<SlotLayout, 'homes' | 'group'>
  /** The folder that records slices with unfinished changes. It is deleted at reboot. */
  readonly runFolder: string
  /** The SELinux policy. It needs a module before sessions of cron are moved into slices. */
  readonly policy: Policy
  /** The cgroup tree. Default: that of the host. */
  readonly cgroupfs?: Cgroupfs
}

/**
 * Creates the facility that limits the slice of each account's user. The limits apply to the user's logins and services, from the first
 * process on and after a reboot.
 *
 * A released slot keeps the limits of its account while its processes are ended. Building a slot sets the port rules of its slice, where
 * systemd has BPF: the rules must exist before the first process.
 */
export function cgroupsFacility(options: CgroupsFacilityOptions): Facility {
  const { host, layout } = options
  const slices = openSlices(host, treeOf(options))
  const groups = openCgroups(host, treeOf(options))
  return Object.freeze<Facility>({
    name: 'cgroups',
    condition,
    judges: ['accounts'],
    probe: (signal: AbortSignal) => stateOf(slices, signal),
    prepare: profileKeeper(options, cgroupProfile(layout.group)).prepare,
    build: (slots: readonly SlotToBuild[], signal: AbortSignal) => buildPortRules(slices, slots, signal),
    serve: async ({ tenants }: View, signal: AbortSignal): Promise<Step<Served>> => {
      const disk = tenants.some(({ throttled }) => throttled) ? await findDisk(host, layout.homes) : undefined
      const spec = tenants.map((tenant) => sliceOf(tenant, disk))
      const changeSet = slices.plan(spec, await slices.read(spec, { signal }))
      return {
        changes: changeSet.changes,
        apply: async () => {
          const { results } = await slices.apply(changeSet, { signal })
          const bySlice = new Map(results.map((result) => [result.target, result]))
          const left = await endSlices(
            groups,
            tenants.filter(({ suspended }) => suspended).map(({ slot }) => slot.uid),
            signal,
          )
          const accounts = tenants.flatMap((tenant): [number, Verdict][] => {
            const result = bySlice.get(userSlice(tenant.slot.uid))
            const trouble = left.get(tenant.slot.uid)
            if (trouble !== undefined) return [[tenant.id, failed('processes_left', trouble)]]
            return result === undefined ? [] : [[tenant.id, verdictOf(result, tenant, disk)]]
          })
          const repairs = changeSet.changes.filter(({ action }) => action === 'repair' || action === 'remove')
          const what = repairs
            .map(({ action, target, before }) => `${action} ${target} (found ${before ?? 'nothing'})`)
            .join(', ')
          return {
            ...servedNothing,
            accounts: new Map(accounts),
            ...(repairs.length === 0 ? {} : { repaired: what }),
          }
        },
      }
    },
    evict: async (slots: readonly Slot[], signal: AbortSignal): Promise<Step<ReadonlyMap<number, Given>>> => {
      const busy = slots.filter(({ uid }) => groups.exists(slicePath(userSlice(uid))))
      return {
        changes: busy.map(({ uid }) => ({ facility: 'cgroups', target: userSlice(uid), action: 'end its processes' })),
        apply: async () => {
          const left = await endSlices(
            groups,
            slots.map(({ uid }) => uid),
            signal,
          )
          return new Map(
            slots.map(({ n, uid }) => {
              const message = left.get(uid)
              return [n, message === undefined ? { done: true } : { done: false, message }]
            }),
          )
        },
      }
    },
    inspect: async ({ builtSlots: built }: View): Promise<readonly Finding[]> => {
      const users = new Map(built.map(({ slot }) => [slot.uid, slot.user]))
      const strays = await readStrays(host, users.keys())
      if (strays.length === 0)
        return [{ works: true, what: 'every process of a tenant is in the slice of its account' }]
      return listProblems(
        strays,
        ({ pid, uid, name, group, advice }) => ({
          what: `process ${printable(name)} (pid ${pid}) of ${users.get(uid) ?? uid}`,
          otherwise: `it runs in ${printable(group)}, outside the limits of its account; ${advice}`,
        }),
        { name: 'processes', otherwise: 'they also run outside the limits of their accounts' },
      )
    },
  })
}

/** Returns the options of `@puppy/cgroups`. */
function treeOf({ runFolder, cgroupfs }: Pick<CgroupsFacilityOptions, 'runFolder' | 'cgroupfs'>) {
  return cgroupfs === undefined ? { runFolder } : { runFolder, cgroupfs }
}

async function stateOf(slices: Slices, signal?: AbortSignal): Promise<FacilityState> {
  const { works, version, error, steps } = await slices.probe(signal === undefined ? {} : { signal })
  return {
    works,
    ...(version === undefined ? {} : { version: `systemd ${version}` }),
    ...(error === undefined ? {} : { reason: error.message }),
    ...(steps.length === 0 ? {} : { remedy: steps.join(', then ') }),
  }
}

function sliceOf({ slot, limits, throttled }: Tenant, disk: string | undefined): SliceSpec {
  return { ...emptySlice(slot), limits: throttled ? throttledLimits(limits, disk) : limits }
}

function failed(reason: string, message: string): Verdict {
  return { type: condition, status: 'false', reason, message }
}

function verdictOf(
  { status, error }: SliceResult,
  { throttled }: Pick<Tenant, 'throttled'>,
  disk: string | undefined,
): Verdict {
  if (error !== undefined) return failed('refused', error.message)
  const verdict = {
    type: condition,
    status: 'true',
    reason: throttled && status === 'applied' ? 'throttled' : status,
  } as const
  if (!throttled || disk !== undefined) return verdict
  return {
    ...verdict,
    message: 'only processor time and processes are throttled: the homes are not on a disk that the kernel can limit',
  }
}

/** Removes the limits of all slots and the PAM profile, for a purge. */
export async function removeLimits(
  options: Omit<CgroupsFacilityOptions, 'layout' | 'policy'>,
  layout: SlotLayout,
): Promise<void> {
  await removeProfile(options.host, cgroupProfile(layout.group).files)
  const slices = openSlices(options.host, treeOf(options))
  if (!(await slices.probe()).works) return
  await slices.remove(Array.from({ length: slotCount(layout) }, (_, n) => userSlice(slotAt(layout, n).uid)))
}

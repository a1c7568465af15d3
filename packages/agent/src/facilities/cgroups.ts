import { slotAt, slotCount, type Slot, type SlotLayout } from '@puppy/accounts'
import {
  CgroupError,
  ensureSlices,
  findDisk,
  openCgroups,
  probe,
  readSlices,
  readStrays,
  removeSlices,
  slicePath,
  userSlice,
  type Cgroups,
  type Kernel,
  type SliceResult,
  type WantedSlice,
} from '@puppy/cgroups'
import type { Host } from '@puppy/host'
import type { Policy } from '@puppy/selinux'
import type { Verdict } from '@puppy/state'
import { printable } from '../printable.ts'
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
import { removeSessions, sessionsKeeper } from '../cgroups/sessions.ts'
import { buildWalls, planEach, walled } from '../cgroups/slice-walls.ts'
import { squeeze } from '../cgroups/squeeze.ts'

const condition = 'limits'
/** systemd 252 is the first that has every property. */
const leastSystemd = 252

export interface CgroupsFacilityOptions {
  /** The host itself, not the machine that a folder of it is on: the tree is the kernel's. */
  readonly host: Host
  readonly layout: Pick<SlotLayout, 'homes' | 'group'>
  /** Where it is noted which slices are not finished; gone with a reboot. */
  readonly runFolder: string
  /** For what SELinux must allow before cron's sessions are moved. */
  readonly policy: Policy
  /** The tree itself, for tests. */
  readonly kernel?: Kernel
}

/**
 * An account's limits are those of its user's slice: over logins and services of the user, before the first one and after a
 * reboot.
 *
 * A released slot keeps the limits of whoever had it while its processes are ended. Before that, and again when it is built anew,
 * its slice says which ports it may bind, where systemd can hold it to them: walls must be there before the first process.
 */
export function cgroupsFacility(options: CgroupsFacilityOptions): Facility {
  const { host, layout } = options
  const tree = treeOf(options)
  const groups = openCgroups(host, options.kernel === undefined ? {} : { kernel: options.kernel })
  let walls = false
  return Object.freeze<Facility>({
    name: 'cgroups',
    condition,
    judges: ['accounts'],
    probe: async () => {
      const { bpf, ...state } = await probeSystemd(options)
      walls = bpf
      return state
    },
    prepare: sessionsKeeper({ host, group: layout.group, policy: options.policy }),
    build: (slots: readonly SlotToBuild[], signal: AbortSignal) =>
      walls
        ? buildWalls(host, slots, { ...tree, signal })
        : Promise.resolve({ changes: [], apply: async () => new Map() }),
    serve: async ({ tenants }: View, signal: AbortSignal): Promise<Step<Served>> => {
      const disk = tenants.some(({ throttled }) => throttled) ? await findDisk(host, layout.homes) : undefined
      const wanted = tenants.map((tenant) => wantedOf(tenant, { disk, walls }))
      const slices = wanted.map(({ slice }) => slice)
      const steps = planEach(wanted, await readSlices(host, slices, tree))
      return {
        changes: steps.flatMap(({ changes }) => changes),
        apply: async () => {
          const { results } = await ensureSlices(host, wanted, { ...tree, signal })
          const bySlice = new Map(results.map((result) => [result.slice, result]))
          const left = await endAll(
            groups,
            tenants.filter(({ suspended }) => suspended).map(({ slot }) => slot),
            signal,
          )
          const accounts = tenants.flatMap((tenant): [number, Verdict][] => {
            const result = bySlice.get(userSlice(tenant.slot.uid))
            const trouble = left.get(tenant.slot.n)
            if (trouble !== undefined) return [[tenant.id, failed('processes_left', trouble)]]
            return result === undefined ? [] : [[tenant.id, verdictOf(result, tenant, disk)]]
          })
          const repairs = steps.flatMap(({ changes }) =>
            changes.filter(({ action }) => action === 'repair' || action === 'remove'),
          )
          const what = repairs.map(({ action, target, before }) => `${action} ${target} (${before ?? ''})`).join(', ')
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
          const left = await endAll(groups, slots, signal)
          return new Map(
            slots.map(({ n }) => {
              const message = left.get(n)
              return [n, message === undefined ? { done: true } : { done: false, message }]
            }),
          )
        },
      }
    },
    inspect: async ({ walls: built }: View): Promise<readonly Finding[]> => {
      const users = new Map(built.map(({ slot }) => [slot.uid, slot.user]))
      const strays = await readStrays(host, users.keys())
      if (strays.length === 0) return [{ works: true, what: 'no process of a tenant is outside of its limits' }]
      const more = strays.length - most
      return [
        ...strays.slice(0, most).map(({ pid, uid, name, group, advice }) => ({
          works: false,
          what: `${printable(name)} (pid ${pid}) of ${users.get(uid) ?? uid}`,
          otherwise: `it is in ${printable(group)}, outside of the account's limits; ${advice}`,
        })),
        ...(more > 0 ? [{ works: false, what: `${more} more processes`, otherwise: 'they are outside too' }] : []),
      ]
    },
  })
}

/** More than these are not listed. */
const most = 20

/** The options of `@puppy/cgroups`. */
function treeOf({ runFolder, kernel }: Pick<CgroupsFacilityOptions, 'runFolder' | 'kernel'>) {
  return kernel === undefined ? { runFolder } : { runFolder, kernel }
}

type Found = FacilityState & { readonly bpf: boolean }

async function probeSystemd({ host, kernel }: Pick<CgroupsFacilityOptions, 'host' | 'kernel'>): Promise<Found> {
  const no = (reason: string) => ({ works: false, reason, bpf: false })
  if (!host.live) return no('this host is only a folder, and cgroups are the kernel’s')
  const { works, error, systemd } = await probe(host, kernel === undefined ? {} : { kernel })
  if (!works) return no(error?.message ?? 'there is no cgroup v2')
  if (systemd === undefined) return no('systemd does not run this machine, and slices are its')
  const version = `systemd ${systemd.version}`
  if (systemd.version >= leastSystemd) return { works: true, version, bpf: systemd.bpf }
  return { ...no(`systemd ${leastSystemd} or later is needed`), version }
}

/** Without BPF in systemd nothing is said of ports, so that a plan shows only what would be done. */
function wantedOf(
  { slot, limits, throttled }: Tenant,
  { disk, walls }: { readonly disk: string | undefined; readonly walls: boolean },
): WantedSlice {
  const slice = walls ? walled(slot) : { slice: userSlice(slot.uid) }
  return { ...slice, limits: throttled ? squeeze(limits, disk) : limits }
}

/**
 * Ends whatever is in the slices of slots, also what runs as another user: by one write each, which nothing that forks escapes.
 * Gives what went wrong, by slot.
 */
async function endAll(
  groups: Cgroups,
  slots: readonly Slot[],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, string>> {
  const left = new Map<number, string>()
  for (const { n, uid } of slots) {
    const path = slicePath(userSlice(uid))
    try {
      if (groups.exists(path) && groups.state(path).populated) await groups.kill(path, { signal })
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error
      if (error.code !== 'CGROUP_GONE') left.set(n, error.message)
    }
  }
  return left
}

function failed(reason: string, message: string): Verdict {
  return { type: condition, status: 'false', reason, message }
}

function verdictOf(
  { status, error, differences }: SliceResult,
  { throttled }: Pick<Tenant, 'throttled'>,
  disk: string | undefined,
): Verdict {
  if (status !== 'refused') {
    const verdict = {
      type: condition,
      status: 'true',
      reason: throttled && status === 'applied' ? 'throttled' : status,
    } as const
    if (!throttled || disk !== undefined) return verdict
    return {
      ...verdict,
      message: 'homes are on no disk that the kernel limits: processor and processes are squeezed alone',
    }
  }
  const differing = differences.map(({ name, wanted, observed = 'absent' }) => `${name} is ${observed}, not ${wanted}`)
  return failed('refused', error?.message ?? differing.join(', '))
}

/** Takes every limit away, for a purge. */
export async function removeLimits(
  options: Omit<CgroupsFacilityOptions, 'layout' | 'policy'>,
  layout: SlotLayout,
): Promise<void> {
  await removeSessions(options.host)
  if (!(await probeSystemd(options)).works) return
  const slices = Array.from({ length: slotCount(layout) }, (_, n) => userSlice(slotAt(layout, n).uid))
  await removeSlices(options.host, slices, treeOf(options))
}

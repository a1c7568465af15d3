import { slotAt, slotCount, type SlotLayout } from '@puppy/accounts'
import {
  CgroupError,
  ensureSlices,
  planSlices,
  probe,
  readSlices,
  readStrays,
  removeSlices,
  userSlice,
  type Kernel,
  type ObservedSlices,
  type SliceResult,
  type SliceStep,
  type WantedSlice,
} from '@puppy/cgroups'
import type { Host } from '@puppy/host'
import type { Verdict } from '../../conditions.ts'
import { printable } from '../../printable.ts'
import type { FacilityState } from '../../store/hosts.ts'
import {
  servedNothing,
  type Facility,
  type Finding,
  type Served,
  type Step,
  type Tenant,
  type View,
} from './facility.ts'

const condition = 'limits'
/** systemd 252 is the first that has every property. */
const leastSystemd = 252

export interface CgroupsFacilityOptions {
  /** The host itself, not the machine that a folder of it is on: the tree is the kernel's. */
  readonly host: Host
  /** Where it is noted which slices are not finished; gone with a reboot. */
  readonly runFolder: string
  /** The tree itself, for tests. */
  readonly kernel?: Kernel
}

/**
 * An account's limits are those of its user's slice: over logins and services of the user, before the first one and after a
 * reboot.
 *
 * A released slot keeps the limits of whoever had it while its processes are ended, and until somebody else's take their place.
 */
export function cgroupsFacility(options: CgroupsFacilityOptions): Facility {
  const { host } = options
  const tree = treeOf(options)
  return Object.freeze<Facility>({
    name: 'cgroups',
    condition,
    judges: ['accounts'],
    probe: () => probeSystemd(options),
    serve: async ({ tenants }: View, signal: AbortSignal): Promise<Step<Served>> => {
      const wanted = tenants.map(wantedOf)
      const slices = wanted.map(({ slice }) => slice)
      const steps = planEach(wanted, await readSlices(host, slices, tree))
      return {
        changes: steps.flatMap(({ changes }) => changes),
        apply: async () => {
          const { results } = await ensureSlices(host, wanted, { ...tree, signal })
          const verdicts = new Map(results.map((result) => [result.slice, verdictOf(result)]))
          const accounts = tenants.flatMap((tenant): [number, Verdict][] => {
            const verdict = verdicts.get(userSlice(tenant.slot.uid))
            return verdict === undefined ? [] : [[tenant.id, verdict]]
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
    inspect: async ({ walls }: View): Promise<readonly Finding[]> => {
      const users = new Map(walls.map(({ slot }) => [slot.uid, slot.user]))
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
function treeOf({ runFolder, kernel }: CgroupsFacilityOptions) {
  return kernel === undefined ? { runFolder } : { runFolder, kernel }
}

async function probeSystemd({ host, kernel }: CgroupsFacilityOptions): Promise<FacilityState> {
  if (!host.live) return { works: false, reason: 'this host is only a folder, and cgroups are the kernel’s' }
  const { works, error, systemd } = await probe(host, kernel === undefined ? {} : { kernel })
  if (!works) return { works: false, reason: error?.message ?? 'there is no cgroup v2' }
  if (systemd === undefined) return { works: false, reason: 'systemd does not run this machine, and slices are its' }
  const version = `systemd ${systemd.version}`
  if (systemd.version >= leastSystemd) return { works: true, version }
  return { works: false, version, reason: `systemd ${leastSystemd} or later is needed` }
}

/** One at a time: a plan that makes no sense is refused for its accounts by `ensureSlices`, and the others go on. */
function planEach(wanted: readonly WantedSlice[], observed: ObservedSlices): readonly SliceStep[] {
  return wanted.flatMap((one) => {
    try {
      return planSlices([one], observed)
    } catch (error) {
      if (error instanceof CgroupError) return []
      throw error
    }
  })
}

function wantedOf({ slot, limits }: Tenant): WantedSlice {
  return { slice: userSlice(slot.uid), limits }
}

function verdictOf({ status, error, differences }: SliceResult): Verdict {
  if (status !== 'refused') return { type: condition, status: 'true', reason: status }
  const differing = differences.map(({ name, wanted, observed = 'absent' }) => `${name} is ${observed}, not ${wanted}`)
  const message = error?.message ?? differing.join(', ')
  return { type: condition, status: 'false', reason: 'refused', message }
}

/** Takes every limit away, for a purge. */
export async function removeLimits(options: CgroupsFacilityOptions, layout: SlotLayout): Promise<void> {
  if (!(await probeSystemd(options)).works) return
  const slices = Array.from({ length: slotCount(layout) }, (_, n) => userSlice(slotAt(layout, n).uid))
  await removeSlices(options.host, slices, treeOf(options))
}

import type { Slot } from '@puppy/accounts'
import type { Host } from '@puppy/host'
import {
  findOpenPlaces,
  planLimits,
  type BothLimits,
  type Bounds,
  type Limit,
  type OpenPlace,
  type Quota,
  type SeenPlan,
  type QuotaReading,
  type SetResult,
  type WantedQuota,
} from '@puppy/quota'
import type { Verdict } from '@puppy/state'
import type { FacilityState } from '@puppy/state/store/hosts'
import {
  servedNothing,
  type Facility,
  type Finding,
  type Given,
  type Served,
  type Step,
  type Tenant,
  type View,
} from './facility.ts'
import { findLeft, liftLimits, readLeft } from '../quota/release.ts'

const name = 'quota'

export interface QuotaFacilityOptions {
  /** The host itself, not the machine that a folder of it is on: quotas are the kernel's. */
  readonly host: Host
  /** Quotas of the file system of the homes, opened once. */
  readonly quota: Quota
  /** Every uid that a slot may have, inclusive. */
  readonly tenantUids: { readonly first: number; readonly last: number }
}

/** What a probe found that does not change while the file system stays mounted. */
interface Place {
  readonly mountPoint: string
  readonly bounds: Bounds
}

/**
 * What an account may keep on the file system of the homes: the user quota of its slot's uid. A suspended account keeps its
 * limits, and so does a released slot until it is proven empty.
 *
 * One report is read where there is somebody to serve, and `setquota` runs once when something differs.
 */
export function quotaFacility(options: QuotaFacilityOptions): Facility {
  const { host, quota, tenantUids } = options
  let place: Place | undefined
  const find = async (signal: AbortSignal): Promise<Place> => {
    place ??= (await probeQuota(options, signal)).place
    if (place === undefined) throw new Error(`There is no quota on ${quota.path} any more`)
    return place
  }
  const open = watchPlaces(host)
  /** What was seen set by uid, and for which account: something else later is somebody else's work. */
  const seen = new Map<number, string>()
  return Object.freeze<Facility>({
    name,
    judges: ['accounts'],
    probe: async (signal: AbortSignal) => {
      const found = await probeQuota(options, signal)
      place = found.place
      return found.state
    },
    prepare: async (signal: AbortSignal): Promise<Step<readonly string[]>> => ({
      changes: [],
      apply: async () => remarksOn(open(signal)),
    }),
    serve: async ({ tenants }: View, signal: AbortSignal): Promise<Step<Served>> => {
      if (tenants.length === 0) return { changes: [], apply: async () => servedNothing }
      const { bounds } = await find(signal)
      const readings = new Map((await quota.read('user', undefined, { signal })).map((one) => [one.id, one]))
      const plan = planAll(tenants.map(wantedOf), readings, bounds)
      const byUid = new Map(tenants.map((tenant) => [tenant.slot.uid, tenant]))
      const keyOfUid = (uid: number) => keyOf(byUid.get(uid))
      const repairs = plan.changes.filter(({ id }) => seen.get(id) === keyOfUid(id))
      const userOf = (uid: number) => byUid.get(uid)?.slot.user ?? String(uid)
      return {
        changes: plan.changes.map(({ id, before, after }) => ({
          facility: name,
          target: userOf(id),
          action: 'set limits',
          before: shown(before),
          after: shown(after),
        })),
        apply: async () => {
          const { results } = await quota.apply(plan, { signal })
          for (const { id, error } of results) {
            if (error === undefined) seen.set(id, keyOfUid(id))
            else seen.delete(id)
          }
          const accounts = results.flatMap((result): [number, Verdict][] => {
            const tenant = byUid.get(result.id)
            return tenant === undefined ? [] : [[tenant.id, verdictOf(result, tenant, readings.get(result.id))]]
          })
          const repaired = repairs.map(({ id, before }) => `set limits of ${userOf(id)} (${shown(before)})`).join(', ')
          return { ...servedNothing, accounts: new Map(accounts), ...(repaired === '' ? {} : { repaired }) }
        },
      }
    },
    scrub: async (slots: readonly Slot[], signal: AbortSignal): Promise<Step<ReadonlyMap<number, Given>>> => ({
      changes: slots.map(({ user }) => ({ facility: name, target: user, action: 'lift limits' })),
      apply: async () => {
        const { mountPoint } = await find(signal)
        const left = await readLeft({ host, quota, mountPoint }, slots, signal)
        const clean = slots.filter(({ n }) => !left.has(n)).map(({ uid }) => uid)
        const kept = await liftLimits(quota, clean, { signal })
        return new Map(
          slots.map(({ n, uid }): [number, Given] => {
            const message = left.get(n) ?? kept.get(uid)
            return [n, message === undefined ? { done: true } : { done: false, message }]
          }),
        )
      },
    }),
    inspect: async (view: View, signal: AbortSignal): Promise<readonly Finding[]> => {
      const { mountPoint } = await find(signal)
      return [
        { works: true, what: `limits of users hold on ${mountPoint}` },
        ...(await findOpenPlaces(host, { signal })).map((place) => ({
          works: false,
          what: `limits in ${place.path}`,
          otherwise: `no quota of users counts what is written there, on ${describe(place)}; ${place.steps.join(', then ')}`,
        })),
        ...(await findLeft({ host, quota, mountPoint }, view, tenantUids, signal)),
      ]
    },
  })
}

/** Half the machine's folders are looked at for it. */
const lookEvery = 3_600_000

/** Looks for folders without limits beside the passes, but not beside the first, when slots are built; gives what was seen last. */
function watchPlaces(host: Host): (signal: AbortSignal) => readonly OpenPlace[] {
  let known: readonly OpenPlace[] = []
  let again: number | undefined
  return (signal) => {
    if (again === undefined) again = 0
    else if (Date.now() >= again) {
      again = Date.now() + lookEvery
      findOpenPlaces(host, { signal }).then(
        (found) => (known = found),
        // `puppy doctor` looks too, and says why it cannot.
        () => undefined,
      )
    }
    return known
  }
}

function remarksOn(places: readonly OpenPlace[]): readonly string[] {
  if (places.length === 0) return []
  const more = places.length > most ? [`and ${places.length - most} more`] : []
  const shown = [...places.slice(0, most).map((place) => `${place.path} (${describe(place)})`), ...more].join(', ')
  return [`Tenants can fill folders that no quota of users counts: ${shown}`]
}

/** More than these are not listed. */
const most = 10

/** `tmpfs of 1561411584 bytes` */
function describe({ mount, size }: OpenPlace): string {
  if (size !== undefined) return `${mount.fileSystem} of ${size} bytes`
  return mount.fileSystem === 'tmpfs' ? 'tmpfs of half the memory' : `${mount.fileSystem} on ${mount.mountPoint}`
}

async function probeQuota(
  { host, quota }: QuotaFacilityOptions,
  signal: AbortSignal,
): Promise<{ readonly state: FacilityState; readonly place?: Place }> {
  if (!host.live) return { state: { works: false, reason: 'this host is only a folder, and quotas are the kernel’s' } }
  const { works, error, kinds, mount, bounds } = await quota.probe({ signal })
  if (works && mount !== undefined && bounds !== undefined) {
    const { mountPoint, fileSystem } = mount
    return { state: { works, version: `${fileSystem} on ${mountPoint}` }, place: { mountPoint, bounds } }
  }
  const reason = (error ?? kinds?.user.error)?.message ?? `limits of users do not hold on ${quota.path}`
  return { state: { works: false, reason } }
}

/** A plan's limits are hard ones. What it does not limit is lifted, whoever set it. */
function wantedOf({ slot, disk }: Tenant): WantedQuota {
  const { bytes = 'none', inodes = 'none' } = disk
  return { id: slot.uid, bytes: { soft: 'none', hard: bytes }, inodes: { soft: 'none', hard: inodes } }
}

function keyOf(tenant: Tenant | undefined): string {
  return JSON.stringify([tenant?.id, tenant?.disk.bytes, tenant?.disk.inodes])
}

/**
 * Less than what is used is refused, and the limits of before go on. Whoever has none at all gets them all the same: a tenant
 * without a limit fills the disk of the others.
 */
function planAll(
  wanted: readonly WantedQuota[],
  readings: ReadonlyMap<number, QuotaReading>,
  bounds: Bounds,
): SeenPlan {
  const isOpen = (one: WantedQuota) =>
    (['bytes', 'inodes'] as const).some(
      (what) => one[what]?.hard !== 'none' && readings.get(one.id)?.[what].hard === 'none',
    )
  const plans = [true, false].map((force) => {
    const some = wanted.filter((one) => isOpen(one) === force)
    return planLimits(some, [...readings.values()], { kind: 'user', bounds, force })
  })
  return {
    kind: 'user',
    changes: plans.flatMap(({ changes }) => changes),
    refused: plans.flatMap(({ refused }) => refused),
    unchanged: plans.flatMap(({ unchanged }) => unchanged),
  }
}

function verdictOf({ error }: SetResult, { disk }: Tenant, found: QuotaReading | undefined): Verdict {
  if (error === undefined) return { type: name, status: 'true', reason: 'applied' }
  const reason = error.code.slice('QUOTA_'.length).toLowerCase()
  if (error.code !== 'QUOTA_BELOW_USAGE' || found === undefined)
    return { type: name, status: 'false', reason, message: error.message }
  const { bytes = 'none', inodes = 'none' } = disk
  const allowed = shown({ bytes: { hard: bytes }, inodes: { hard: inodes } })
  const message = `its plan allows ${allowed}, and it uses ${found.bytes.used} bytes, ${found.inodes.used} files; its limits stay ${shown(found)} until it deletes some or gets a larger plan`
  return { type: name, status: 'false', reason, message }
}

/** `10485760 bytes, any number of files` */
function shown({ bytes, inodes }: { readonly [what in keyof BothLimits]: { readonly hard: Limit } }): string {
  const words = (limit: Limit, what: string) => (limit === 'none' ? `any number of ${what}` : `${limit} ${what}`)
  return `${words(bytes.hard, 'bytes')}, ${words(inodes.hard, 'files')}`
}

/** Lifts the limits of these uids, for a purge. Where quota does not work nothing holds. */
export async function removeQuotas(
  { host, quota }: Pick<QuotaFacilityOptions, 'host' | 'quota'>,
  uids: readonly number[],
): Promise<void> {
  if (!host.live || !(await quota.probe()).works) return
  for (const [, message] of await liftLimits(quota, uids)) console.warn(message)
}

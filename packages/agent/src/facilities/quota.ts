import type { Slot } from '@puppy/accounts'
import type { Host } from '@puppy/host'
import {
  findOpenPlaces,
  planQuota,
  type BothLimits,
  type Limit,
  type OpenPlace,
  type Quota,
  type QuotaPlace,
  type QuotaReading,
  type QuotaResult,
  type QuotaSpec,
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

/** Where disk limits are set. */
export interface QuotaFacilityOptions {
  /** The host that runs tenants. When it is only a folder, this facility does not work: quotas belong to the kernel. */
  readonly host: Host
  /** The quota of the file system of the homes. */
  readonly quota: Quota
  /** The uids of all possible slots, inclusive. */
  readonly tenantUids: { readonly first: number; readonly last: number }
  /** Returns the folders that tenants cannot write to, because their sessions have others in their place. Default: none. */
  readonly replaced?: () => readonly string[]
}

/** The facility, and where it proves that a released slot owns nothing. */
export interface QuotaFacility extends Facility {
  /** Returns the mount points on which `scrub` counts the files of each slot. @throws Error when quota does not work */
  counted(signal: AbortSignal): Promise<readonly string[]>
}

/**
 * Creates the facility for disk limits: the user quota of each slot's uid on the file system of the homes. A suspended account keeps its
 * limits. A released slot keeps them until it is verified to be empty.
 *
 * Reads one report when there are tenants to serve. Runs `setquota` once when limits differ.
 */
export function quotaFacility(options: QuotaFacilityOptions): QuotaFacility {
  const { host, quota, tenantUids } = options
  /** The result of a probe. It does not change while the file system stays mounted. */
  let place: QuotaPlace | undefined
  const find = async (signal: AbortSignal): Promise<QuotaPlace> => {
    place ??= (await probeQuota(options, signal)).place
    if (place === undefined)
      throw new Error(
        `Cannot manage disk limits: user quota no longer works on ${quota.path}; run "npm run puppy -- doctor" for the reason`,
      )
    return place
  }
  const isOpen = ({ path }: OpenPlace) => options.replaced?.().includes(path) !== true
  const open = watchPlaces(host)
  /** The limits that were set, by uid, with their account. If they differ later, they were changed from outside Puppy. */
  const seen = new Map<number, string>()
  return Object.freeze<QuotaFacility>({
    name,
    counted: async (signal: AbortSignal) => [(await find(signal)).mount.mountPoint],
    judges: ['accounts'],
    probe: async (signal: AbortSignal) => {
      const found = await probeQuota(options, signal)
      place = found.place
      return found.state
    },
    prepare: async (signal: AbortSignal): Promise<Step<readonly string[]>> => ({
      changes: [],
      apply: async () => remarksOn(open(signal).filter(isOpen)),
    }),
    serve: async ({ tenants }: View, signal: AbortSignal): Promise<Step<Served>> => {
      if (tenants.length === 0) return { changes: [], apply: async () => servedNothing }
      const [here, readings] = [await find(signal), await quota.report(undefined, { signal })]
      const readingOf = new Map(readings.map((reading) => [reading.id, reading]))
      const spec = tenants.map((tenant) => specOf(tenant, readingOf.get(tenant.slot.uid)))
      const changeSet = planQuota(spec, { ...here, readings })
      const byUid = new Map(tenants.map((tenant) => [tenant.slot.uid, tenant]))
      const keyOfUid = (uid: number) => keyOf(byUid.get(uid))
      const repairs = changeSet.changes.filter(({ id }) => seen.get(id) === keyOfUid(id))
      const userOf = (uid: number) => byUid.get(uid)?.slot.user ?? String(uid)
      return {
        changes: changeSet.changes.map(({ id, from, to }) => ({
          facility: name,
          target: userOf(id),
          action: 'set limits',
          ...(from === undefined ? {} : { before: shown(from) }),
          after: shown(to),
        })),
        apply: async () => {
          const { results } = await quota.apply(changeSet, { signal })
          for (const { id, error } of results) {
            if (error === undefined) seen.set(id, keyOfUid(id))
            else seen.delete(id)
          }
          const accounts = results.flatMap((result): [number, Verdict][] => {
            const tenant = byUid.get(result.id)
            return tenant === undefined ? [] : [[tenant.id, verdictOf(result, tenant, readingOf.get(result.id))]]
          })
          const repaired = repairs
            .map(
              ({ id, from }) => `set limits of ${userOf(id)} (found ${from === undefined ? 'nothing' : shown(from)})`,
            )
            .join(', ')
          return { ...servedNothing, accounts: new Map(accounts), ...(repaired === '' ? {} : { repaired }) }
        },
      }
    },
    scrub: async (slots: readonly Slot[], signal: AbortSignal): Promise<Step<ReadonlyMap<number, Given>>> => ({
      changes: slots.map(({ user }) => ({ facility: name, target: user, action: 'lift limits' })),
      apply: async () => {
        const here = await find(signal)
        const left = await readLeft({ host, quota, mountPoint: here.mount.mountPoint }, slots, signal)
        const clean = slots.filter(({ n }) => !left.has(n)).map(({ uid }) => uid)
        const kept = await liftLimits(quota, here, clean, { signal })
        return new Map(
          slots.map(({ n, uid }): [number, Given] => {
            const message = left.get(n) ?? kept.get(uid)
            return [n, message === undefined ? { done: true } : { done: false, message }]
          }),
        )
      },
    }),
    inspect: async (view: View, signal: AbortSignal): Promise<readonly Finding[]> => {
      const { mountPoint } = (await find(signal)).mount
      return [
        { works: true, what: `disk limits are enforced on ${mountPoint}` },
        ...(await findOpenPlaces(host, { signal })).filter(isOpen).map((place) => ({
          works: false,
          what: `disk limits in ${place.path}`,
          otherwise: `no user quota limits what tenants write there (${describe(place)}); ${place.steps.join(', then ')}`,
        })),
        ...(await findLeft({ host, quota, mountPoint }, view, tenantUids, signal)),
      ]
    },
  })
}

/** Milliseconds between two searches: each walks half the folders of the machine. */
const lookEvery = 3_600_000

/**
 * Creates a function that searches for folders without limits in the background and returns the last result. It does not search in the
 * first pass, when slots are built.
 */
function watchPlaces(host: Host): (signal: AbortSignal) => readonly OpenPlace[] {
  let known: readonly OpenPlace[] = []
  let again: number | undefined
  return (signal) => {
    if (again === undefined) again = 0
    else if (Date.now() >= again) {
      again = Date.now() + lookEvery
      findOpenPlaces(host, { signal }).then(
        (found) => (known = found),
        // `puppy doctor` searches too, and reports the error.
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
  return [
    `tenants can fill folders that no user quota limits: ${shown}; run "npm run puppy -- doctor" for the steps that prevent it`,
  ]
}

/** How many folders are listed. */
const most = 10

/** `tmpfs of 1561411584 bytes` */
function describe({ mount, size }: OpenPlace): string {
  if (size !== undefined) return `${mount.fileSystem} of ${size} bytes`
  return mount.fileSystem === 'tmpfs' ? 'tmpfs of half the memory' : `${mount.fileSystem} on ${mount.mountPoint}`
}

async function probeQuota(
  { host, quota }: QuotaFacilityOptions,
  signal: AbortSignal,
): Promise<{ readonly state: FacilityState; readonly place?: QuotaPlace }> {
  if (!host.live)
    return {
      state: { works: false, reason: 'this host is only a folder (PUPPY_ROOT), and disk limits need a real machine' },
    }
  const { works, error, mount, bounds } = await quota.probe({ signal })
  if (works && mount !== undefined && bounds !== undefined) {
    const version = `${mount.fileSystem} on ${mount.mountPoint}`
    return { state: { works, version }, place: { kind: quota.kind, mount, bounds } }
  }
  return { state: { works: false, reason: error?.message ?? `user quota is not enforced on ${quota.path}` } }
}

/**
 * Returns the limits of an account. The limits of a plan are hard limits. A limit that the plan does not have is lifted, whichever program
 * set it.
 *
 * A limit below the current use is refused, and the old limit stays. If an id has no limit yet, the new limit is set although it is below
 * the use: without a limit, a tenant can fill the disk for all tenants.
 */
function specOf({ slot, disk }: Tenant, found: QuotaReading | undefined): QuotaSpec {
  const { bytes = 'none', inodes = 'none' } = disk
  const isOpen = (hard: Limit, now: Limit | undefined) => hard !== 'none' && now === 'none'
  return {
    id: slot.uid,
    bytes: { soft: 'none', hard: bytes },
    inodes: { soft: 'none', hard: inodes },
    force: isOpen(bytes, found?.bytes.hard) || isOpen(inodes, found?.inodes.hard),
  }
}

function keyOf(tenant: Tenant | undefined): string {
  return JSON.stringify([tenant?.id, tenant?.disk.bytes, tenant?.disk.inodes])
}

function verdictOf({ error }: QuotaResult, { disk }: Tenant, found: QuotaReading | undefined): Verdict {
  if (error === undefined) return { type: name, status: 'true', reason: 'applied' }
  const reason = error.code.slice('QUOTA_'.length).toLowerCase()
  if (error.code !== 'QUOTA_BELOW_USAGE' || found === undefined)
    return { type: name, status: 'false', reason, message: error.message }
  const { bytes = 'none', inodes = 'none' } = disk
  const allowed = shown({ bytes: { hard: bytes }, inodes: { hard: inodes } })
  const used = `${found.bytes.used} bytes, ${found.inodes.used} files`
  const until = 'until it deletes files or gets a larger plan'
  const message = `the plan allows ${allowed}, but the account uses ${used}; the limits stay at ${shown(found)} ${until}`
  return { type: name, status: 'false', reason, message }
}

/** `10485760 bytes, any number of files` */
function shown({ bytes, inodes }: { readonly [what in keyof BothLimits]: { readonly hard: Limit } }): string {
  const words = (limit: Limit, what: string) => (limit === 'none' ? `any number of ${what}` : `${limit} ${what}`)
  return `${words(bytes.hard, 'bytes')}, ${words(inodes.hard, 'files')}`
}

/**
 * Lifts the limits of these uids, for a purge. Does nothing where limits are not enforced. Returns a message for each uid whose limits could
 * not be lifted.
 */
export async function removeQuotas(
  { host, quota }: Pick<QuotaFacilityOptions, 'host' | 'quota'>,
  uids: readonly number[],
): Promise<readonly string[]> {
  if (!host.live) return []
  const { works, mount, bounds } = await quota.probe()
  if (!works || mount === undefined || bounds === undefined) return []
  return [...(await liftLimits(quota, { kind: quota.kind, mount, bounds }, uids)).values()]
}

import type { Host } from '@puppy/host'
import { applyPlan, type Applied } from './apply.ts'
import { QuotaError } from './errors.ts'
import { setGrace, setGraceOf, type GraceSet } from './grace.ts'
import { assertId, type Bounds, type QuotaKind, type WantedQuota } from './limits.ts'
import { planLimits, planOverwrite, type PlanOptions, type QuotaPlan } from './plan.ts'
import { probe, type Probe } from './probe.ts'
import type { EffectOptions } from './program.ts'
import { readAll, readEach, sync } from './read.ts'
import { emptyReading, type QuotaReading } from './report.ts'
import type { Grace } from './state.ts'
import { offError } from './support.ts'
import { readState, volumeFinder, type Volume } from './volume.ts'

export interface SetOptions extends PlanOptions, EffectOptions {
  /** When one item cannot be, none is set; when one was not taken, the others get back what they had. */
  readonly atomic?: boolean
  /**
   * Writes without reading first, which takes as long as writing: every item gives all four limits, none is refused for what it uses, and
   * each that was written counts as changed. What it writes is read back all the same, and `QUOTA_OFF` may come after it was written. Not
   * with `atomic`.
   */
  readonly overwrite?: boolean
}

export interface ReadOptions extends EffectOptions {
  /**
   * Writes out first what the file system still holds back. Use of XFS follows removed and half-written files a moment later;
   * what is to be proven is read with it.
   */
  readonly sync?: boolean
}

/** Quotas of the file system that a path is on. */
export interface Quota {
  readonly path: string
  /** Finds out what works here, by looking only. Never throws what it can say. */
  probe(options?: EffectOptions): Promise<Probe>
  /**
   * Reads the ids in the order given, or all that the kernel has something of. One report, however many.
   *
   * @throws QuotaError `QUOTA_OFF` when use is not counted, `QUOTA_UNSUPPORTED`, `QUOTA_MOVED`, `QUOTA_INVALID`, …
   */
  read(kind: QuotaKind, ids?: readonly number[], options?: ReadOptions): Promise<readonly QuotaReading[]>
  /** The same of all, one after the other by rising id; what the kernel has when it is begun. For more ids than an array should hold. */
  readEach(kind: QuotaKind, options?: ReadOptions): AsyncIterable<QuotaReading>
  /** Says what `set` would do. @throws QuotaError as `read`, and `QUOTA_OFF` when limits would not hold. */
  plan(kind: QuotaKind, wanted: readonly WantedQuota[], options?: SetOptions): Promise<QuotaPlan>
  /**
   * Sets the limits of a plan in one `setquota -b` and reads back what the kernel has. An empty plan runs nothing.
   * A killed one leaves some set and some not: plan again.
   *
   * @throws QuotaError `QUOTA_TIMEOUT`, `QUOTA_OFF`, `QUOTA_UNREADABLE`, …; what concerns one id is in its result.
   */
  apply(plan: QuotaPlan, options?: SetOptions): Promise<Applied>
  /** `plan` and `apply`. Whoever calls it from several processes holds a lock of `Host`. */
  set(kind: QuotaKind, wanted: readonly WantedQuota[], options?: SetOptions): Promise<Applied>
  /** Sets how long ids may stay above soft limits, in seconds; what is absent stays. Running grace times are not changed. */
  setGrace(kind: QuotaKind, grace: Partial<Grace>, options?: EffectOptions): Promise<GraceSet>
  /**
   * Sets how long one id that is above its soft limit may stay there from now, in seconds; what is absent stays.
   *
   * @throws QuotaError `QUOTA_INVALID` when no grace time of it runs, `QUOTA_MISMATCH` when the kernel keeps another.
   */
  setGraceOf(kind: QuotaKind, id: number, grace: Partial<Grace>, options?: EffectOptions): Promise<QuotaReading>
}

/** Opens quotas by any path of the file system; nothing is read or run yet. */
export function openQuota(host: Host, path: string): Quota {
  if (!path.startsWith('/') || path.includes('\0')) {
    const detail = 'paths are absolute and have no NUL'
    throw new QuotaError('QUOTA_INVALID', { operation: 'use the path', target: path, detail })
  }
  const find = volumeFinder(host, path)
  /** Of file systems whose limits held when they were asked. */
  const known = new WeakMap<Volume, Bounds>()
  const ask = async (kind: QuotaKind, volume: Volume, options: EffectOptions): Promise<Bounds> => {
    const { state, bounds } = await readState(host, volume, options)
    const error = offError('set limits on', volume.mount, kind, state, 'enforcing')
    if (error !== undefined) throw error
    known.set(volume, bounds)
    return bounds
  }
  const plan: Quota['plan'] = async (kind, wanted, options = {}) => {
    const volume = await find(options)
    if (options.overwrite === true) {
      if (options.atomic === true) throw notBoth()
      return planOverwrite(wanted, { kind, bounds: await ask(kind, volume, options) })
    }
    const [bounds, observed] = await Promise.all([ask(kind, volume, options), readAll(host, volume, kind, options)])
    return planLimits(wanted, observed, { kind, bounds, ...options })
  }
  const apply: Quota['apply'] = async (planned, options = {}) =>
    applyPlan(host, planned.changes.length === 0 ? undefined : await find(options), planned, options)
  /** Where limits held the last time, whether they still do is asked while they are written. */
  const overwrite: Quota['set'] = async (kind, wanted, options = {}) => {
    const volume = await find(options)
    const bounds = known.get(volume)
    if (bounds === undefined || options.atomic === true) return apply(await plan(kind, wanted, options), options)
    const holds = ask(kind, volume, options)
    const applied = applyPlan(host, volume, planOverwrite(wanted, { kind, bounds }), options)
    // Nothing of ours goes on when the caller is told.
    await Promise.allSettled([holds, applied])
    await holds
    return applied
  }
  return Object.freeze<Quota>({
    path,
    plan,
    apply,
    probe: (options = {}) => probe(host, path, options),
    read: async (kind, ids, options = {}) => {
      for (const id of ids ?? []) if (id !== 0) assertId(id)
      const volume = await find(options)
      if (options.sync === true) await sync(host, volume, options)
      const readings = await readAll(host, volume, kind, options)
      if (ids === undefined) return readings
      const byId = new Map(readings.map((reading) => [reading.id, reading]))
      return ids.map((id) => byId.get(id) ?? emptyReading(id))
    },
    readEach: async function* (kind, options = {}) {
      const volume = await find(options)
      if (options.sync === true) await sync(host, volume, options)
      yield* readEach(host, volume, kind, options)
    },
    set: async (kind, wanted, options = {}) =>
      options.overwrite === true ? overwrite(kind, wanted, options) : apply(await plan(kind, wanted, options), options),
    setGrace: async (kind, grace, options = {}) => setGrace(host, await find(options), kind, grace, options),
    setGraceOf: async (kind, id, grace, options = {}) =>
      setGraceOf(host, await find(options), { kind, id, grace }, options),
  })
}

function notBoth(): QuotaError {
  const detail = 'what nobody has read cannot be put back; take atomic or overwrite'
  return new QuotaError('QUOTA_INVALID', { operation: 'set limits with', value: 'atomic, overwrite', detail })
}

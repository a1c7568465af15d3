import type { EffectOptions, Facility, Host } from '@puppy/host'
import { applyChangeSet, type ApplyOptions, type QuotaApplied, type QuotaResult } from './apply.ts'
import { QuotaError } from './errors.ts'
import { setGrace, setGraceOf, type GraceSet } from './grace.ts'
import { assertId, type QuotaKind, type QuotaSpec } from './limits.ts'
import { planOverwrite, planQuota, type QuotaChangeSet, type QuotaObserved, type QuotaPlace } from './plan.ts'
import { probe, type QuotaProbe } from './probe.ts'
import { readAll, readEach, sync } from './read.ts'
import { emptyReading, type QuotaReading } from './report.ts'
import type { Grace } from './state.ts'
import { offError } from './support.ts'
import { readState, volumeFinder, type Volume } from './volume.ts'

export interface QuotaOptions {
  /** What is counted and limited: files by owner, by group, or by project. Default `user`. */
  readonly kind?: QuotaKind
}

export interface EnsureOptions extends ApplyOptions {
  /**
   * Writes without reading first, which saves half of the time. Each item of the spec has all four limits, none is refused for what it
   * uses, and each written item counts as changed. The limits are read back nevertheless, and `QUOTA_OFF` may be thrown after they were
   * written. Not together with `atomic`.
   */
  readonly overwrite?: boolean
}

export interface ReportOptions extends EffectOptions {
  /**
   * Writes out pending data of the file system first. XFS counts removed and half-written files with a delay; read with `sync` what is
   * to prove something.
   */
  readonly sync?: boolean
}

/** Quotas of one kind on the file system of a path. */
export interface Quota extends Facility<readonly QuotaSpec[], QuotaObserved, QuotaChangeSet, QuotaResult, QuotaProbe> {
  readonly path: string
  readonly kind: QuotaKind

  /** Finds out whether limits of this kind are enforced here. Changes nothing and never throws: what does not work has an error and steps. */
  probe(options?: EffectOptions): Promise<QuotaProbe>

  /**
   * Reads what `plan` compares a spec with: the limits that the file system allows, and every id's use and limits.
   *
   * @throws QuotaError `QUOTA_OFF` when limits are not enforced, `QUOTA_UNSUPPORTED`, `QUOTA_MOVED`, `QUOTA_INVALID`, …
   */
  read(spec: readonly QuotaSpec[], options?: EffectOptions): Promise<QuotaObserved>

  /** Returns the limits to set. Pure; the same as `planQuota`. */
  plan(spec: readonly QuotaSpec[], observed: QuotaObserved): QuotaChangeSet

  /**
   * Sets the limits of a change set in one `setquota -b` and reads them back. A change set without changes runs nothing.
   *
   * A limit that another program sets after it was read is overwritten. A call that was killed half way has set some limits and others
   * not: `ensure` sets the rest.
   *
   * @throws QuotaError `QUOTA_MOVED` when the path is on another file system than the change set was planned for, `QUOTA_TIMEOUT`,
   *   `QUOTA_OFF`, `QUOTA_UNREADABLE`, … The failure of one id is in its result.
   */
  apply(changeSet: QuotaChangeSet, options?: ApplyOptions): Promise<QuotaApplied>

  /** Reads, plans and applies. Callers in several processes hold a lock of `Host`. @throws QuotaError as `read` and `apply` */
  ensure(spec: readonly QuotaSpec[], options?: EnsureOptions): Promise<QuotaApplied>

  /**
   * Reads use and limits: of these ids in this order, or of every id of which the kernel has any. One process, whatever the number of
   * ids. Limits that are counted and not enforced are read too.
   *
   * @throws QuotaError `QUOTA_OFF` when use is not counted, `QUOTA_UNSUPPORTED`, `QUOTA_MOVED`, `QUOTA_INVALID`, …
   */
  report(ids?: readonly number[], options?: ReportOptions): Promise<readonly QuotaReading[]>

  /** Reads every id, one at a time by rising id, for more ids than an array should hold. What the kernel has when it starts. */
  reportEach(options?: ReportOptions): AsyncIterable<QuotaReading>

  /** Sets how long ids may stay above soft limits, in seconds. An absent time stays. Running grace times do not change. */
  setGrace(grace: Partial<Grace>, options?: EffectOptions): Promise<GraceSet>

  /**
   * Sets how long one id that is above its soft limit may stay there from now, in seconds. An absent time stays.
   *
   * @throws QuotaError `QUOTA_INVALID` when no grace time of the id runs, `QUOTA_MISMATCH` when the kernel keeps another.
   */
  setGraceOf(id: number, grace: Partial<Grace>, options?: EffectOptions): Promise<QuotaReading>
}

/**
 * Opens quotas by any path of the file system. Nothing is read or run yet.
 *
 * @throws QuotaError `QUOTA_INVALID` when the path is not absolute
 */
export function openQuota(host: Host, path: string, { kind = 'user' }: QuotaOptions = {}): Quota {
  if (!path.startsWith('/') || path.includes('\0')) {
    const detail = 'paths are absolute and have no NUL'
    throw new QuotaError('QUOTA_INVALID', { operation: 'use the path', target: path, detail })
  }
  const find = volumeFinder(host, path)
  /** Of file systems whose limits were enforced when they were last asked. */
  const known = new WeakMap<Volume, QuotaPlace>()
  const readPlace = async (volume: Volume, options: EffectOptions): Promise<QuotaPlace> => {
    const { state, bounds } = await readState(host, volume, options)
    const error = offError('set limits on', volume.mount, kind, state, 'enforcing')
    if (error !== undefined) throw error
    const place = { kind, mount: volume.mount, bounds }
    known.set(volume, place)
    return place
  }
  const read: Quota['read'] = async (_spec, options = {}) => {
    const volume = await find(options)
    const [place, readings] = await Promise.all([readPlace(volume, options), readAll(host, volume, kind, options)])
    return { ...place, readings }
  }
  const apply: Quota['apply'] = (changeSet, options = {}) => {
    if (changeSet.kind !== kind) {
      throw new TypeError(`A change set of ${changeSet.kind} quotas cannot be applied to ${kind} quotas`)
    }
    return applyChangeSet(host, find, changeSet, options)
  }
  const overwrite = async (spec: readonly QuotaSpec[], options: EnsureOptions): Promise<QuotaApplied> => {
    if (options.atomic === true) throw notBoth()
    const volume = await find(options)
    const place = known.get(volume)
    if (place === undefined) return apply(planOverwrite(spec, await readPlace(volume, options)), options)
    // Limits were enforced here the last time. Whether they still are is read while they are written.
    const enforced = readPlace(volume, options)
    const applied = apply(planOverwrite(spec, place), options)
    // Both have ended when the caller gets an error.
    await Promise.allSettled([enforced, applied])
    await enforced
    return applied
  }
  const prepareReport = async (options: ReportOptions): Promise<Volume> => {
    const volume = await find(options)
    if (options.sync === true) await sync(host, volume, options)
    return volume
  }
  return Object.freeze<Quota>({
    path,
    kind,
    probe: (options = {}) => probe(host, path, kind, options),
    read,
    plan: planQuota,
    apply,
    ensure: async (spec, options = {}) =>
      options.overwrite === true
        ? overwrite(spec, options)
        : apply(planQuota(spec, await read(spec, options)), options),
    report: async (ids, options = {}) => {
      for (const id of ids ?? []) if (id !== 0) assertId(id)
      const readings = await readAll(host, await prepareReport(options), kind, options)
      if (ids === undefined) return readings
      const byId = new Map(readings.map((reading) => [reading.id, reading]))
      return ids.map((id) => byId.get(id) ?? emptyReading(id))
    },
    reportEach: async function* (options = {}) {
      yield* readEach(host, await prepareReport(options), kind, options)
    },
    setGrace: async (grace, options = {}) => setGrace(host, await find(options), kind, grace, options),
    setGraceOf: async (id, grace, options = {}) => setGraceOf(host, await find(options), { kind, id, grace }, options),
  })
}

function notBoth(): QuotaError {
  const detail = 'limits that were not read cannot be restored; use either atomic or overwrite'
  return new QuotaError('QUOTA_INVALID', { operation: 'set limits with', value: 'atomic, overwrite', detail })
}

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

/** Options of `openQuota`. */
export interface QuotaOptions {
  /** Whose files are counted and limited: those of a user, a group or a project. Default: `user`. */
  readonly kind?: QuotaKind
}

/** Options of `ensure`. */
export interface EnsureOptions extends ApplyOptions {
  /**
   * Writes without reading first, which takes half of the time. Each item of the spec must have all four limits. No item is refused because
   * of its usage, and each written item counts as changed. The limits are still read back. `QUOTA_OFF` may be thrown after the limits
   * were written. Cannot be combined with `atomic`.
   */
  readonly overwrite?: boolean
}

/** Options of `report` and `reportEach`. */
export interface ReportOptions extends EffectOptions {
  /**
   * Runs sync(1) on the file system first. XFS counts removed and partly written files with a delay, so set this when the numbers must
   * be exact.
   */
  readonly sync?: boolean
}

/** Quotas of one kind on the file system of a path. */
export interface Quota extends Facility<readonly QuotaSpec[], QuotaObserved, QuotaChangeSet, QuotaResult, QuotaProbe> {
  readonly path: string
  readonly kind: QuotaKind

  /**
   * Checks whether limits of this kind are enforced on this file system. Changes nothing and never throws. If they are not enforced, the
   * result has the error and the steps that enable them.
   */
  probe(options?: EffectOptions): Promise<QuotaProbe>

  /**
   * Reads what `plan` compares a spec with: the range of limits that the file system allows, and the usage and limits of every id.
   *
   * @throws QuotaError `QUOTA_OFF` when limits are not enforced, `QUOTA_UNSUPPORTED`, `QUOTA_MOVED`, `QUOTA_INVALID`, …
   */
  read(spec: readonly QuotaSpec[], options?: EffectOptions): Promise<QuotaObserved>

  /** Plans the limits to set. Pure. The same function as `planQuota`. */
  plan(spec: readonly QuotaSpec[], observed: QuotaObserved): QuotaChangeSet

  /**
   * Sets the limits of a change set with one `setquota -b` and reads them back. A change set without changes runs no program.
   *
   * If another program sets a limit after it was read, that limit is overwritten. A call that was killed may have set only some of the
   * limits. The next `ensure` sets the rest.
   *
   * @throws QuotaError `QUOTA_MOVED` when the change set was planned for another file system, `QUOTA_TIMEOUT`, `QUOTA_OFF`,
   *   `QUOTA_UNREADABLE`, … The failure of a single id is not thrown. It is in the result of that id.
   */
  apply(changeSet: QuotaChangeSet, options?: ApplyOptions): Promise<QuotaApplied>

  /** Reads, plans and applies. Callers in several processes must hold a lock of `Host`. @throws QuotaError as `read` and `apply` */
  ensure(spec: readonly QuotaSpec[], options?: EnsureOptions): Promise<QuotaApplied>

  /**
   * Reads usage and limits. With `ids`: of these ids, in this order. Without: of every id that has usage or limits. Runs one process for
   * any number of ids. Also reads limits that are not enforced, as long as usage is counted.
   *
   * @throws QuotaError `QUOTA_OFF` when usage is not counted, `QUOTA_UNSUPPORTED`, `QUOTA_MOVED`, `QUOTA_INVALID`, …
   */
  report(ids?: readonly number[], options?: ReportOptions): Promise<readonly QuotaReading[]>

  /**
   * Reads every id and yields the readings one at a time, in ascending order of ids. Use it for more ids than an array should hold. The
   * readings are those of the moment when the loop starts.
   */
  reportEach(options?: ReportOptions): AsyncIterable<QuotaReading>

  /** Sets how long ids may stay above soft limits, in seconds. An absent time does not change. Running grace times do not change either. */
  setGrace(grace: Partial<Grace>, options?: EffectOptions): Promise<GraceSet>

  /**
   * Sets how long one id that is above its soft limit may stay above it from now on, in seconds. An absent time does not change.
   *
   * @throws QuotaError `QUOTA_INVALID` when no grace time of the id is running, `QUOTA_MISMATCH` when another grace time is read back.
   */
  setGraceOf(id: number, grace: Partial<Grace>, options?: EffectOptions): Promise<QuotaReading>
}

/**
 * Opens the quotas of a file system by any path on it. Reads nothing and runs nothing yet.
 *
 * @throws QuotaError `QUOTA_INVALID` when the path is not absolute
 */
export function openQuota(host: Host, path: string, { kind = 'user' }: QuotaOptions = {}): Quota {
  if (!path.startsWith('/') || path.includes('\0')) {
    const detail = 'the path must be absolute and must not contain a NUL byte'
    throw new QuotaError('QUOTA_INVALID', { operation: 'open the quotas of', target: path, detail })
  }
  const find = volumeFinder(host, path)
  /** File systems whose limits were enforced at the last check. */
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
      throw new TypeError(`Cannot apply a change set of ${changeSet.kind} quotas to ${kind} quotas`)
    }
    return applyChangeSet(host, find, changeSet, options)
  }
  const overwrite = async (spec: readonly QuotaSpec[], options: EnsureOptions): Promise<QuotaApplied> => {
    if (options.atomic === true) throw notBoth()
    const volume = await find(options)
    const place = known.get(volume)
    if (place === undefined) return apply(planOverwrite(spec, await readPlace(volume, options)), options)
    // Limits were enforced at the last check. Check again while the limits are written.
    const enforced = readPlace(volume, options)
    const applied = apply(planOverwrite(spec, place), options)
    // Waits for both, so that no program still runs when the caller gets an error.
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
  const detail = 'overwrite does not read the limits that atomic would have to restore; use only one of the two options'
  return new QuotaError('QUOTA_INVALID', { operation: 'combine the options', value: 'atomic, overwrite', detail })
}

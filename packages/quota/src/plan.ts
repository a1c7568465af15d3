import { renderCommand, type Change, type ChangeSet } from '@puppy/host'
import { batchWords } from './batch.ts'
import { QuotaError } from './errors.ts'
import {
  assertId,
  letters,
  renderLimits,
  roundLimit,
  sameLimits,
  type BothLimits,
  type Bounds,
  type Limits,
  type QuotaKind,
  type QuotaSpec,
} from './limits.ts'
import type { Mount } from '@puppy/host/proc'
import { emptyReading, limitsOf, type QuotaReading } from './report.ts'

/** The limits of one id that differ from the spec. */
export interface QuotaChange extends Change {
  readonly facility: 'quota'
  readonly action: 'set'
  readonly id: number
  /** The limits that were read. Absent with `overwrite`, which reads none. */
  readonly from?: BothLimits
  /** The limits to write. */
  readonly to: BothLimits
}

/** The file system on which limits are set, and the range of limits that it allows. */
export interface QuotaPlace {
  readonly kind: QuotaKind
  readonly mount: Mount
  readonly bounds: Bounds
}

/** What `planQuota` compares a spec with. */
export interface QuotaObserved extends QuotaPlace {
  readonly readings: readonly QuotaReading[]
}

/** The limits to set and the file system to set them on. */
export interface QuotaChangeSet extends ChangeSet<QuotaChange, QuotaError> {
  readonly kind: QuotaKind
  readonly mount: Mount
  /** The items that cannot be set, each with its error. They do not affect the other items. */
  readonly refused: readonly { readonly target: string; readonly id: number; readonly error: QuotaError }[]
  /** The ids that already have the limits of the spec. */
  readonly unchanged: readonly number[]
}

/** Compares a spec with an observation and returns the limits to set. Pure. A refused item does not affect the other items. */
export function planQuota(spec: readonly QuotaSpec[], observed: QuotaObserved): QuotaChangeSet {
  const readings = new Map(observed.readings.map((reading) => [reading.id, reading]))
  return planEach(spec, observed, (item) => planItem(item, readings.get(item.id), observed))
}

/** Plans to write every item without a previous reading. Each item must have all four limits. Pure. */
export function planOverwrite(spec: readonly QuotaSpec[], place: QuotaPlace): QuotaChangeSet {
  return planEach(spec, place, (item) => {
    assertId(item.id)
    const given = [item.bytes?.soft, item.bytes?.hard, item.inodes?.soft, item.inodes?.hard]
    if (given.includes(undefined))
      throw invalid(item.id, 'overwrite needs all four limits of each id: soft and hard, for bytes and for inodes')
    const unlike = emptyReading(item.id)
    const to = { bytes: merge('bytes', item, unlike, place), inodes: merge('inodes', item, unlike, place) }
    return changeOf(place, item.id, to)
  })
}

/** Returns the target of changes and results: `user 10001`. */
export function targetOf(kind: QuotaKind, id: number): string {
  return `${kind} ${id}`
}

function planEach(
  spec: readonly QuotaSpec[],
  { kind, mount }: QuotaPlace,
  plan: (item: QuotaSpec) => QuotaChange | undefined,
): QuotaChangeSet {
  const counts = Map.groupBy(spec, ({ id }) => id)
  const changes: QuotaChange[] = []
  const refused: QuotaChangeSet['refused'][number][] = []
  const unchanged: number[] = []
  for (const item of spec) {
    const { id } = item
    try {
      if ((counts.get(id)?.length ?? 0) > 1)
        throw invalid(id, 'the spec has this id more than once; keep one item for it')
      const change = plan(item)
      if (change === undefined) unchanged.push(id)
      else changes.push(change)
    } catch (error) {
      if (!(error instanceof QuotaError)) throw error
      refused.push({ target: targetOf(kind, id), id, error })
    }
  }
  return { kind, mount, changes, refused, unchanged }
}

function planItem(item: QuotaSpec, found: QuotaReading | undefined, place: QuotaPlace): QuotaChange | undefined {
  assertId(item.id)
  const reading = found ?? emptyReading(item.id)
  const from = limitsOf(reading)
  const to = { bytes: merge('bytes', item, from, place), inodes: merge('inodes', item, from, place) }
  if (sameLimits(from, to)) return undefined
  for (const name of ['bytes', 'inodes'] as const) {
    const { hard } = to[name]
    const { used } = reading[name]
    if (item.force === true || hard === from[name].hard || hard === 'none' || hard >= used) continue
    throw new QuotaError('QUOTA_BELOW_USAGE', {
      operation: `set the hard limit of ${name} of ${place.kind}`,
      target: String(item.id),
      value: String(hard),
      detail: `usage is ${used} ${name}, so every further write would fail; set a higher limit, or set force on the item`,
    })
  }
  return changeOf(place, item.id, to, from)
}

function changeOf({ kind, mount }: QuotaPlace, id: number, to: BothLimits, from?: BothLimits): QuotaChange {
  return {
    facility: 'quota',
    target: targetOf(kind, id),
    action: 'set',
    ...(from === undefined ? {} : { before: renderLimits(from) }),
    after: renderLimits(to),
    command: renderCommand(['setquota', letters[kind], ...batchWords(id, to), mount.mountPoint]),
    id,
    ...(from === undefined ? {} : { from }),
    to,
  }
}

function merge(
  name: 'bytes' | 'inodes',
  item: QuotaSpec,
  from: BothLimits,
  { bounds }: Pick<QuotaPlace, 'bounds'>,
): Limits {
  const given = item[name] ?? {}
  const soft = given.soft === undefined ? from[name].soft : roundLimit(name, given.soft, bounds)
  const hard = given.hard === undefined ? from[name].hard : roundLimit(name, given.hard, bounds)
  const changed = soft !== from[name].soft || hard !== from[name].hard
  if (changed && soft !== 'none' && hard !== 'none' && soft > hard)
    throw invalid(item.id, `the soft limit of ${name} (${soft}) would be above the hard limit (${hard})`)
  return { soft, hard }
}

function invalid(id: number, detail: string): QuotaError {
  return new QuotaError('QUOTA_INVALID', { operation: 'plan the limits of', target: String(id), detail })
}

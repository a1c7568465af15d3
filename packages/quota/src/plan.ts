import { QuotaError } from './errors.ts'
import { assertId, roundLimit, type Bounds, type Limits, type QuotaKind, type WantedQuota } from './limits.ts'
import { emptyReading, type QuotaReading } from './report.ts'

export interface BothLimits {
  readonly bytes: Limits
  readonly inodes: Limits
}

/** One planned difference between wanted and observed, as a value that can be shown before anything happens. */
export interface QuotaChange {
  readonly facility: 'quota'
  /** `user 10001` */
  readonly target: string
  readonly action: 'set'
  readonly id: number
  /** Absent when nobody has looked: `overwrite`. */
  readonly before?: BothLimits
  readonly after: BothLimits
}

export interface RefusedQuota {
  readonly id: number
  readonly error: QuotaError
}

export interface QuotaPlan {
  readonly kind: QuotaKind
  /** Empty when all is as it should be. */
  readonly changes: readonly QuotaChange[]
  /** The items that cannot be, each with its reason; the others go on. */
  readonly refused: readonly RefusedQuota[]
  /** The ids that have what is wanted. */
  readonly unchanged: readonly number[]
}

export interface PlanOptions {
  /** Lets a hard limit be below what is used: whoever it is can then write nothing. */
  readonly force?: boolean
}

/** As of something that has been read. */
type SeenChange = QuotaChange & Required<Pick<QuotaChange, 'before'>>
export interface SeenPlan extends QuotaPlan {
  readonly changes: readonly SeenChange[]
}

interface Facts extends PlanOptions {
  readonly kind: QuotaKind
  readonly bounds: Bounds
}

/** Compares what is wanted with what was read. Pure; an item that is refused spoils no other. */
export function planLimits(wanted: readonly WantedQuota[], observed: readonly QuotaReading[], facts: Facts): SeenPlan {
  const readings = new Map(observed.map((reading) => [reading.id, reading]))
  return planEach(wanted, facts.kind, (one) => planOne(one, readings.get(one.id), facts))
}

/**
 * The same without having read anything: every item says all four of its limits, and every one is written. Pure.
 */
export function planOverwrite(wanted: readonly WantedQuota[], facts: Omit<Facts, 'force'>): QuotaPlan {
  return planEach(wanted, facts.kind, (one): QuotaChange => {
    assertId(one.id)
    const given = [one.bytes?.soft, one.bytes?.hard, one.inodes?.soft, one.inodes?.hard]
    if (given.includes(undefined)) throw invalid(one.id, 'overwrite wants all four limits, soft and hard, of everybody')
    const unlike = emptyReading(one.id)
    const after = { bytes: merge('bytes', one, unlike, facts), inodes: merge('inodes', one, unlike, facts) }
    return { facility: 'quota', target: `${facts.kind} ${one.id}`, action: 'set', id: one.id, after }
  })
}

function planEach<Change extends QuotaChange>(
  wanted: readonly WantedQuota[],
  kind: QuotaKind,
  plan: (one: WantedQuota) => Change | undefined,
): QuotaPlan & { readonly changes: readonly Change[] } {
  const counts = Map.groupBy(wanted, ({ id }) => id)
  const changes: Change[] = []
  const refused: RefusedQuota[] = []
  const unchanged: number[] = []
  for (const one of wanted) {
    try {
      if ((counts.get(one.id)?.length ?? 0) > 1) throw invalid(one.id, 'the batch has this id more than once')
      const change = plan(one)
      if (change === undefined) unchanged.push(one.id)
      else changes.push(change)
    } catch (error) {
      if (!(error instanceof QuotaError)) throw error
      refused.push({ id: one.id, error })
    }
  }
  return { kind, changes, refused, unchanged }
}

function planOne(wanted: WantedQuota, found: QuotaReading | undefined, facts: Facts): SeenChange | undefined {
  assertId(wanted.id)
  const reading = found ?? emptyReading(wanted.id)
  const before = limitsOf(reading)
  const after = { bytes: merge('bytes', wanted, before, facts), inodes: merge('inodes', wanted, before, facts) }
  if (sameLimits(before, after)) return undefined
  for (const name of ['bytes', 'inodes'] as const) {
    const { hard } = after[name]
    const { used } = reading[name]
    if (facts.force === true || hard === before[name].hard || hard === 'none' || hard >= used) continue
    throw new QuotaError('QUOTA_BELOW_USAGE', {
      operation: `set the hard limit of ${name} of ${facts.kind}`,
      target: String(wanted.id),
      value: String(hard),
      detail: `${used} are used, so nothing more could be written; force sets it all the same`,
    })
  }
  return { facility: 'quota', target: `${facts.kind} ${wanted.id}`, action: 'set', id: wanted.id, before, after }
}

function merge(
  name: 'bytes' | 'inodes',
  wanted: WantedQuota,
  before: BothLimits,
  { bounds }: Pick<Facts, 'bounds'>,
): Limits {
  const given = wanted[name] ?? {}
  const soft = given.soft === undefined ? before[name].soft : roundLimit(name, given.soft, bounds)
  const hard = given.hard === undefined ? before[name].hard : roundLimit(name, given.hard, bounds)
  const changed = soft !== before[name].soft || hard !== before[name].hard
  if (changed && soft !== 'none' && hard !== 'none' && soft > hard)
    throw invalid(wanted.id, `the soft limit of ${name}, ${soft}, would be above the hard one, ${hard}`)
  return { soft, hard }
}

export function limitsOf({ bytes, inodes }: QuotaReading): BothLimits {
  const only = ({ soft, hard }: Limits) => ({ soft, hard })
  return { bytes: only(bytes), inodes: only(inodes) }
}

export function sameLimits(one: BothLimits, other: BothLimits): boolean {
  return (['bytes', 'inodes'] as const).every(
    (name) => one[name].soft === other[name].soft && one[name].hard === other[name].hard,
  )
}

function invalid(id: number, detail: string): QuotaError {
  return new QuotaError('QUOTA_INVALID', { operation: 'plan the limits of', target: String(id), detail })
}

import { QuotaError } from './errors.ts'

/** How files are counted: by their owner, by their group, or by their project id. */
export type QuotaKind = 'user' | 'group' | 'project'

/** The option that the quota tools take for each kind. */
export const letters = { user: '-u', group: '-g', project: '-P' } as const

/** Bytes or inodes. `'none'` means no limit. 0 is not allowed, because the kernel treats it as no limit. */
export type Limit = number | 'none'

/** Writes fail when usage reaches `hard`, or when it was above `soft` for longer than the grace time. */
export interface Limits {
  readonly soft: Limit
  readonly hard: Limit
}

/** All four limits of one id. */
export interface BothLimits {
  readonly bytes: Limits
  readonly inodes: Limits
}

/** The limits that one id should have. An absent limit does not change. */
export interface QuotaSpec {
  readonly id: number
  readonly bytes?: Partial<Limits>
  readonly inodes?: Partial<Limits>
  /** Allows a hard limit below the usage. Every write of the id fails then. */
  readonly force?: boolean
}

/** The range of limits that a file system allows. */
export interface Bounds {
  /** Bytes. XFS keeps limits in blocks of the file system. */
  readonly blockSize: number
  readonly maxBytes: number
  readonly maxInodes: number
}

/** The largest id. The kernel reserves the next one, and setquota cuts larger numbers to 32 bits. */
export const maxId = 4_294_967_294

/** Checks an id. @throws QuotaError `QUOTA_INVALID` */
export function assertId(id: number): void {
  if (Number.isSafeInteger(id) && id >= 1 && id <= maxId) return
  const detail =
    id === 0
      ? 'id 0 is root, its group, or all files without a project, and cannot be limited'
      : `an id must be a whole number from 1 to ${maxId}`
  throw new QuotaError('QUOTA_INVALID', { operation: 'use the id', value: String(id), detail })
}

/** Checks one limit and rounds bytes up to whole blocks, so that the kernel stores this exact value. @throws QuotaError `QUOTA_INVALID` */
export function roundLimit(name: 'bytes' | 'inodes', limit: Limit, { blockSize, maxBytes, maxInodes }: Bounds): Limit {
  if (limit === 'none') return limit
  const most = name === 'bytes' ? maxBytes : maxInodes
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= most) {
    // Rounds up, because a limit rounded down to 0 would mean no limit.
    if (name === 'inodes') return limit
    const rounded = Math.ceil(limit / blockSize) * blockSize
    return rounded <= most ? rounded : Math.floor(most / blockSize) * blockSize
  }
  throw new QuotaError('QUOTA_INVALID', {
    operation: `set the limit of ${name}`,
    value: String(limit),
    detail:
      limit === 0
        ? "the kernel treats 0 as no limit; use 'none' to remove the limit"
        : `a limit must be 'none' or a whole number from 1 to ${most}`,
  })
}

/** Returns whether two ids have the same limits. */
export function sameLimits(one: BothLimits, other: BothLimits): boolean {
  return (['bytes', 'inodes'] as const).every(
    (name) => one[name].soft === other[name].soft && one[name].hard === other[name].hard,
  )
}

/** Renders limits as text to show: `bytes soft none hard 1048576, inodes soft none hard 100`. */
export function renderLimits({ bytes, inodes }: BothLimits): string {
  return `bytes soft ${bytes.soft} hard ${bytes.hard}, inodes soft ${inodes.soft} hard ${inodes.hard}`
}

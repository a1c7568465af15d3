import { QuotaError } from './errors.ts'

/** What is counted: by the owner of a file, by its group, or by its project id. */
export type QuotaKind = 'user' | 'group' | 'project'

/** The option that the quota tools take for each kind. */
export const letters = { user: '-u', group: '-g', project: '-P' } as const

/** Bytes or inodes; `'none'` is no limit. Never 0, which the kernel reads as no limit too. */
export type Limit = number | 'none'

/** Above `soft` for longer than the grace time, or at `hard`, nothing more can be written. */
export interface Limits {
  readonly soft: Limit
  readonly hard: Limit
}

/** All four limits of one id. */
export interface BothLimits {
  readonly bytes: Limits
  readonly inodes: Limits
}

/** The limits that one id is to have. An absent limit stays as it is. */
export interface QuotaSpec {
  readonly id: number
  readonly bytes?: Partial<Limits>
  readonly inodes?: Partial<Limits>
  /** Allows a hard limit below what is used. The id can write nothing then. */
  readonly force?: boolean
}

/** What a file system allows as a limit. */
export interface Bounds {
  /** Bytes; XFS keeps limits in blocks of the file system. */
  readonly blockSize: number
  readonly maxBytes: number
  readonly maxInodes: number
}

/** The largest id. The kernel reserves the one above; setquota cuts larger ones to 32 bits. */
export const maxId = 4_294_967_294

/** Checks an id. @throws QuotaError `QUOTA_INVALID` */
export function assertId(id: number): void {
  if (Number.isSafeInteger(id) && id >= 1 && id <= maxId) return
  const detail = id === 0 ? 'id 0 is root, or all that has no project' : `ids are whole numbers from 1 to ${maxId}`
  throw new QuotaError('QUOTA_INVALID', { operation: 'use the id', value: String(id), detail })
}

/** Checks one limit and rounds bytes up to whole blocks, so that the kernel keeps exactly this value. @throws QuotaError `QUOTA_INVALID` */
export function roundLimit(name: 'bytes' | 'inodes', limit: Limit, { blockSize, maxBytes, maxInodes }: Bounds): Limit {
  if (limit === 'none') return limit
  const most = name === 'bytes' ? maxBytes : maxInodes
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= most) {
    // Up and not down: a limit rounded down to 0 would be none.
    if (name === 'inodes') return limit
    const rounded = Math.ceil(limit / blockSize) * blockSize
    return rounded <= most ? rounded : Math.floor(most / blockSize) * blockSize
  }
  throw new QuotaError('QUOTA_INVALID', {
    operation: `set the limit of ${name}`,
    value: String(limit),
    detail:
      limit === 0
        ? "the kernel reads 0 as no limit; write 'none' for that"
        : `a limit is 'none' or a whole number from 1 to ${most}`,
  })
}

/** Returns whether two ids have the same limits. */
export function sameLimits(one: BothLimits, other: BothLimits): boolean {
  return (['bytes', 'inodes'] as const).every(
    (name) => one[name].soft === other[name].soft && one[name].hard === other[name].hard,
  )
}

/** Renders limits for a person: `bytes soft none hard 1048576, inodes soft none hard 100`. */
export function renderLimits({ bytes, inodes }: BothLimits): string {
  return `bytes soft ${bytes.soft} hard ${bytes.hard}, inodes soft ${inodes.soft} hard ${inodes.hard}`
}

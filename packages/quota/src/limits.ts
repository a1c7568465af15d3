import { QuotaError } from './errors.ts'

/** Whose space is counted: by owner of the file, by its group, or by its project id. */
export type QuotaKind = 'user' | 'group' | 'project'

/** Bytes or inodes; `'none'` is no limit. Never 0, which to the kernel is no limit too. */
export type Limit = number | 'none'

/** Above `soft` for longer than the grace time, or at `hard`, nothing more can be written. */
export interface Limits {
  readonly soft: Limit
  readonly hard: Limit
}

/** What somebody shall have. What is absent stays as it is. */
export interface WantedQuota {
  readonly id: number
  readonly bytes?: Partial<Limits>
  readonly inodes?: Partial<Limits>
}

/** What of a file system decides about limits. */
export interface Bounds {
  /** Bytes; XFS keeps limits in blocks of the file system. */
  readonly blockSize: number
  readonly maxBytes: number
  readonly maxInodes: number
}

/** The largest id; the one above means "nobody" to the kernel, and larger ones setquota cuts to 32 bits. */
export const maxId = 4_294_967_294

export function assertId(id: number): void {
  if (Number.isSafeInteger(id) && id >= 1 && id <= maxId) return
  const detail = id === 0 ? 'id 0 is root, or all that has no project' : `ids are whole numbers from 1 to ${maxId}`
  throw new QuotaError('QUOTA_INVALID', { operation: 'use the id', value: String(id), detail })
}

/** Checks one limit and rounds bytes up to whole blocks: what is asked for is what is read back. */
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
        ? "0 would be no limit to the kernel; 'none' says that"
        : `a limit here is 'none' or a whole number from 1 to ${most}`,
  })
}

import type { QuotaReading } from './report.ts'

/** An id of which the kernel has use or limits, and that nobody has. */
export interface Orphan {
  readonly id: number
  readonly bytes: number
  readonly inodes: number
  /** Whether limits are left that the next owner of the id would inherit. */
  readonly limited: boolean
}

/** Which ids of a range are used or limited without belonging to anybody. Pure. The range is inclusive. */
export function findOrphans(
  readings: readonly QuotaReading[],
  known: Iterable<number>,
  { first, last }: { readonly first: number; readonly last: number },
): readonly Orphan[] {
  const owned = new Set(known)
  return readings.flatMap(({ id, bytes, inodes }) => {
    if (id < first || id > last || owned.has(id)) return []
    const limited = [bytes, inodes].some(({ soft, hard }) => soft !== 'none' || hard !== 'none')
    if (!limited && bytes.used === 0 && inodes.used === 0) return []
    return [{ id, bytes: bytes.used, inodes: inodes.used, limited }]
  })
}

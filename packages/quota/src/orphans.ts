import type { QuotaReading } from './report.ts'

/** An id that has usage or limits in the kernel, but no owner. */
export interface Orphan {
  readonly id: number
  readonly bytes: number
  readonly inodes: number
  /** Whether it has limits. The next owner of the id would inherit them. */
  readonly limited: boolean
}

/** Returns the ids of an inclusive range that have usage or limits and are not in `known`. Pure. */
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

import type { Applied, Change, ItemResult } from '@puppy/host'
import type { CgroupError } from './errors.ts'

/** The largest number of attempts. There is more than one only when another process changed an item meanwhile. */
const attempts = 3

/**
 * Applies a spec. Applies it again while an item changed after it was observed (`CGROUP_CONFLICT`), at most three times in all.
 *
 * @param apply reads, plans and applies
 * @returns the changes of all attempts, and the results of the last one
 */
export async function ensureSpec<Result extends ItemResult<CgroupError>, Planned extends Change>(
  apply: () => Promise<Applied<Result, Planned>>,
): Promise<Applied<Result, Planned>> {
  const changes: Planned[] = []
  const changed = new Set<string>()
  for (let attempt = 1; ; attempt += 1) {
    const applied = await apply()
    changes.push(...applied.changes)
    for (const result of applied.results) if (result.changed) changed.add(result.target)
    const conflict = applied.results.some(({ error }) => error?.code === 'CGROUP_CONFLICT')
    if (conflict && attempt < attempts) continue
    const results = applied.results.map((result) => ({ ...result, changed: changed.has(result.target) }))
    return { changed: changes.length > 0, changes, results }
  }
}

import type { Applied, Change, ItemResult } from '@puppy/host'
import type { CgroupError } from './errors.ts'

/** How often a spec is observed, planned and applied: once, and again when another process was faster. */
const attempts = 3

/**
 * Applies a spec, and again while an item has changed since it was observed (`CGROUP_CONFLICT`), three times at the most.
 *
 * @param apply observes, plans and applies
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

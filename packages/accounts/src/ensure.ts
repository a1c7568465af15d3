import type { Applied, Change, ChangeSet, EffectOptions, Facility, ItemResult } from '@puppy/host'
import { AccountError } from './errors.ts'

/** How often `ensure` reads, plans and applies while the machine keeps changing. */
const attempts = 3

/**
 * Reads, plans and applies. Repeats this when `apply` reports that the machine changed after it was read, up to three times in all.
 *
 * The result lists the changes that were performed.
 */
export async function ensureCurrent<
  Spec,
  Observed,
  Planned extends ChangeSet<Change>,
  Result extends ItemResult,
  Options extends EffectOptions,
  Done extends Applied<Result>,
>(
  facility: Pick<Facility<Spec, Observed, Planned, Result>, 'plan'> & {
    read(spec: Spec, options?: Options): Promise<Observed>
    apply(changeSet: Planned, options?: Options): Promise<Done>
  },
  spec: Spec,
  options: Options,
): Promise<Done> {
  const performed: Change[] = []
  const changed = new Set<string>()
  let anything = false
  for (let attempt = 1; ; attempt += 1) {
    const applied = await facility.apply(facility.plan(spec, await facility.read(spec, options)), options)
    const stale = new Set(applied.results.filter(isStale).map(({ target }) => target))
    performed.push(...applied.changes.filter(({ target }) => !stale.has(target)))
    anything ||= applied.changed
    if (stale.size === 0 || attempt === attempts) {
      const results = applied.results.map((one) => (changed.has(one.target) ? { ...one, changed: true } : one))
      return { ...applied, changed: anything, changes: performed, results }
    }
    for (const one of applied.results) if (one.changed) changed.add(one.target)
  }
}

function isStale({ error }: ItemResult): boolean {
  return error instanceof AccountError && error.code === 'ACCOUNT_STALE'
}

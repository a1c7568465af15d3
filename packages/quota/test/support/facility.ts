import type { Subject } from '@puppy/host/conformance'
import type { QuotaChangeSet, QuotaObserved, QuotaResult, QuotaSpec } from '../../src/index.ts'

const MiB = 1024 * 1024

/** Returns the spec for the common conformance suite. Three ids from `first` must have no limits. */
export function specOf(
  first: number,
): Pick<Subject<readonly QuotaSpec[], QuotaObserved, QuotaChangeSet, QuotaResult>, 'spec' | 'targets' | 'spoiled'> {
  const spec: readonly QuotaSpec[] = [
    { id: first, bytes: { soft: 8 * MiB, hard: 10 * MiB }, inodes: { soft: 90, hard: 100 } },
    { id: first + 1, bytes: { hard: 5 * MiB } },
    // This id already has the limits of the spec.
    { id: first + 2, bytes: { hard: 'none' } },
  ]
  return {
    spec,
    targets: spec.map(({ id }) => `user ${id}`),
    spoiled: { spec: [...spec, { id: 2 ** 32, bytes: { hard: MiB } }], target: `user ${2 ** 32}` },
  }
}

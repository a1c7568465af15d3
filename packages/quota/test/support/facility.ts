import type { Subject } from '@puppy/host/conformance'
import type { QuotaChangeSet, QuotaObserved, QuotaResult, QuotaSpec } from '../../src/index.ts'

const MiB = 1024 * 1024

/** What the common conformance suite is given, beside its worlds. Nothing has a limit at three ids from `first`. */
export function specOf(
  first: number,
): Pick<Subject<readonly QuotaSpec[], QuotaObserved, QuotaChangeSet, QuotaResult>, 'spec' | 'targets' | 'spoiled'> {
  const spec: readonly QuotaSpec[] = [
    { id: first, bytes: { soft: 8 * MiB, hard: 10 * MiB }, inodes: { soft: 90, hard: 100 } },
    { id: first + 1, bytes: { hard: 5 * MiB } },
    // It has already what it is to have.
    { id: first + 2, bytes: { hard: 'none' } },
  ]
  return {
    spec,
    targets: spec.map(({ id }) => `user ${id}`),
    spoiled: { spec: [...spec, { id: 2 ** 32, bytes: { hard: MiB } }], target: `user ${2 ** 32}` },
  }
}

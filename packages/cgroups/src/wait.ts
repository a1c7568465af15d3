import { setTimeout as sleep } from 'node:timers/promises'
import { effectTimeout, type EffectOptions } from '@puppy/host'
import { CgroupError, type CgroupErrorFacts } from './errors.ts'

/**
 * Waits until the answer is true. Asks soon at first and then less often.
 *
 * @throws CgroupError `CGROUP_TIMEOUT`; the signal's own reason when it is aborted.
 */
export async function until(
  answer: () => boolean | Promise<boolean>,
  facts: CgroupErrorFacts,
  { signal, timeout = effectTimeout }: EffectOptions = {},
): Promise<void> {
  const end = performance.now() + timeout
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    signal?.throwIfAborted()
    if (await answer()) return
    if (performance.now() >= end) {
      const late = `it is not so after ${timeout} ms`
      throw new CgroupError('CGROUP_TIMEOUT', {
        ...facts,
        detail: facts.detail === undefined ? late : `${late}; ${facts.detail}`,
      })
    }
    await sleep(pause, undefined, signal === undefined ? {} : { signal })
  }
}

import { effectTimeout, waitFor, type EffectOptions } from '@puppy/host'
import { CgroupError, type CgroupErrorFacts } from './errors.ts'

/**
 * Waits until the answer is true.
 *
 * @throws CgroupError `CGROUP_TIMEOUT`; the signal's own reason when it is aborted.
 */
export async function until(
  answer: () => boolean | Promise<boolean>,
  facts: CgroupErrorFacts,
  options: EffectOptions = {},
): Promise<void> {
  if (await waitFor(answer, options)) return
  const late = `it is not so after ${options.timeout ?? effectTimeout} ms`
  throw new CgroupError('CGROUP_TIMEOUT', {
    ...facts,
    detail: facts.detail === undefined ? late : `${late}; ${facts.detail}`,
  })
}

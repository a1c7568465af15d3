import { effectTimeout, waitFor, type EffectOptions } from '@puppy/host'
import { CgroupError, type CgroupErrorFacts } from './errors.ts'

/**
 * Waits until the function returns true.
 *
 * @throws CgroupError `CGROUP_TIMEOUT`. Throws the reason of the signal when it is aborted.
 */
export async function until(
  answer: () => boolean | Promise<boolean>,
  facts: CgroupErrorFacts,
  options: EffectOptions = {},
): Promise<void> {
  if (await waitFor(answer, options)) return
  const late = `timed out after ${options.timeout ?? effectTimeout} ms`
  throw new CgroupError('CGROUP_TIMEOUT', {
    ...facts,
    detail: facts.detail === undefined ? late : `${late}; ${facts.detail}`,
  })
}

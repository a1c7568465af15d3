import { HostError, type EffectOptions, type FeatureProbe, type Host, type Probe } from '@puppy/host'
import { QuotaError } from './errors.ts'
import type { Bounds, QuotaKind } from './limits.ts'
import { readMounts, type Mount } from '@puppy/host/proc'
import { requireQuotaTools } from './program.ts'
import type { QuotaState } from './state.ts'
import { offError, stepsOf, type QuotaFormat } from './support.ts'
import { mountOf, readState, volumeFinder } from './volume.ts'

/** The result of probing the file system of a path. It has one feature for each kind, which works when limits are enforced. */
export interface QuotaProbe extends Probe<QuotaError, QuotaKind> {
  readonly mount?: Mount
  readonly format?: QuotaFormat
  /** The block size to which limits are rounded, and the largest limits. */
  readonly bounds?: Bounds
  /** What the kernel counts and enforces for each kind, and the grace times. */
  readonly kinds?: QuotaState
}

/** Checks whether limits of one kind are enforced. Changes nothing and never throws. */
export async function probe(host: Host, path: string, kind: QuotaKind, options: EffectOptions): Promise<QuotaProbe> {
  let found: Pick<QuotaProbe, 'mount' | 'format' | 'bounds' | 'kinds'> = {}
  try {
    found = { mount: await mountOf(host, path, await readMounts(host), options) }
    const volume = await volumeFinder(host, path)(options)
    const { mount } = volume
    const { state, format, bounds } = await readState(host, volume, options)
    found = { mount, format, bounds, kinds: state }
    requireQuotaTools(host)
    const error = offError('set limits on', mount, kind, state, 'enforcing')
    const featureOf = (one: QuotaKind): FeatureProbe => {
      const off = offError('set limits on', mount, one, state, 'enforcing')
      return off === undefined
        ? { works: true, steps: [] }
        : { works: false, reason: off.message, steps: stepsOf(mount, one, state[one]) }
    }
    return {
      works: error === undefined,
      ...(error === undefined ? {} : { error }),
      steps: stepsOf(mount, kind, state[kind]),
      warnings: [],
      features: { user: featureOf('user'), group: featureOf('group'), project: featureOf('project') },
      ...found,
    }
  } catch (cause) {
    const error = asQuotaError(cause, path)
    const steps = error.facts.steps ?? []
    const feature = { works: false, reason: error.message, steps }
    const features = { user: feature, group: feature, project: feature }
    return { works: false, error, steps, warnings: [], features, ...found }
  }
}

/** Returns the error of a probe. Throws an error that is neither a `QuotaError` nor a `HostError`, because that is a bug. */
function asQuotaError(cause: unknown, path: string): QuotaError {
  if (cause instanceof QuotaError) return cause
  if (!(cause instanceof HostError)) throw cause
  return new QuotaError('QUOTA_REFUSED', {
    operation: 'probe the quotas of',
    target: path,
    detail: cause.message,
    cause,
  })
}

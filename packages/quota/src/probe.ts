import type { Host } from '@puppy/host'
import { QuotaError } from './errors.ts'
import type { Bounds, QuotaKind } from './limits.ts'
import { parseMountinfo, type Mount } from './mount.ts'
import type { EffectOptions } from './program.ts'
import type { KindState } from './state.ts'
import { offError, stepsOf, type QuotaFormat } from './support.ts'
import { mountOf, readState, volumeFinder } from './volume.ts'

export interface KindProbe extends KindState {
  /** `QUOTA_OFF` when limits of this kind would not hold. */
  readonly error?: QuotaError
  /** What turns it on; empty when it is on. */
  readonly steps: readonly string[]
}

/** What works on the file system of a path. */
export interface Probe {
  /** Whether limits of users hold, which is the wall for tenants. */
  readonly works: boolean
  /** Why nothing can be said or done: `QUOTA_UNSUPPORTED`, `QUOTA_NOT_INSTALLED`, `QUOTA_INVALID`, … */
  readonly error?: QuotaError
  readonly mount?: Mount
  readonly format?: QuotaFormat
  /** The block that limits are rounded to, and the largest limits. */
  readonly bounds?: Bounds
  readonly kinds?: Readonly<Record<QuotaKind, KindProbe>>
}

/** Finds out what works, by looking only. */
export async function probe(host: Host, path: string, options: EffectOptions): Promise<Probe> {
  let mount: Mount | undefined
  try {
    const mounts = parseMountinfo((await host.read('/proc/self/mountinfo')) ?? '')
    mount = await mountOf(host, path, mounts, options)
    const volume = await volumeFinder(host, path)(options)
    const { state, format, bounds } = await readState(host, volume, options)
    const kindOf = (kind: QuotaKind): KindProbe => {
      const error = offError('set limits on', volume.mount, kind, state, 'enforcing')
      return {
        ...state[kind],
        ...(error === undefined ? {} : { error }),
        steps: stepsOf(volume.mount, kind, state[kind]),
      }
    }
    const kinds = { user: kindOf('user'), group: kindOf('group'), project: kindOf('project') }
    for (const name of ['repquota', 'setquota']) {
      if (host.program(name) !== undefined) continue
      const detail = `there is no program ${name}; install the package quota (Debian's name)`
      const error = new QuotaError('QUOTA_NOT_INSTALLED', { operation: 'use quotas of', target: path, detail })
      return { works: false, error, mount: volume.mount, format, bounds, kinds }
    }
    return { works: kinds.user.enforcing, mount: volume.mount, format, bounds, kinds }
  } catch (error) {
    if (!(error instanceof QuotaError)) throw error
    return { works: false, error, ...(mount === undefined ? {} : { mount }) }
  }
}

import { HostError, type EffectOptions } from '@puppy/host'

/** Throws when the caller gave up, between two effects that no program runs for. @throws HostError `HOST_ABORTED` */
export function assertNotAborted({ signal }: EffectOptions, operation: string): void {
  if (signal?.aborted === true) throw new HostError('HOST_ABORTED', { operation, detail: 'the caller gave up' })
}

/** Returns whether an error says that the caller gave up. */
export function isAbort(error: unknown): boolean {
  return error instanceof HostError && error.code === 'HOST_ABORTED'
}

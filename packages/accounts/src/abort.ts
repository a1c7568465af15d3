import { HostError, type EffectOptions } from '@puppy/host'

/** Throws when the signal of the caller is aborted. For use between two effects that run no program. @throws HostError `HOST_ABORTED` */
export function assertNotAborted({ signal }: EffectOptions, operation: string): void {
  if (signal?.aborted === true) throw new HostError('HOST_ABORTED', { operation, detail: 'the caller aborted it' })
}

/** Returns whether an error means that the caller aborted. Pure. */
export function isAbort(error: unknown): boolean {
  return error instanceof HostError && error.code === 'HOST_ABORTED'
}

import { AccountError, keysFault, parseKey } from '@puppy/accounts/keys'
import { ApiError, type Fault } from '../errors.ts'

/** Refuses SSH keys that sshd would not use. Pure. @throws ApiError `ssh_key_invalid`, which points at each of them. */
export function assertSshKeys(keys: readonly string[]): void {
  const together = keysFault(keys)
  const faults =
    together === undefined
      ? keys.flatMap((key, index) => faultOf(key, `/sshKeys/${index}`))
      : [{ pointer: '/sshKeys', detail: `The keys ${together}.` }]
  if (faults.length > 0) {
    throw new ApiError(
      'ssh_key_invalid',
      'sshd cannot use some of the SSH keys. The field "errors" lists them.',
      faults,
    )
  }
}

function faultOf(key: string, pointer: string): readonly Fault[] {
  try {
    parseKey(key)
    return []
  } catch (error) {
    if (error instanceof AccountError) return [{ pointer, detail: error.message }]
    throw error
  }
}

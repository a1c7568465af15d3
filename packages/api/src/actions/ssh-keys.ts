import { AccountError, keysFault, parseKey } from '@puppy/accounts/keys'
import { ApiError, type Fault } from '../errors.ts'

/**
 * Refuses SSH keys that sshd would not use, and more of them than an account can have. Pure.
 *
 * @throws ApiError `ssh_key_invalid`, which points at each invalid key, or at the list.
 */
export function assertSshKeys(keys: readonly string[]): void {
  const excess = keysFault(keys)
  if (excess !== undefined) {
    throw new ApiError(
      'ssh_key_invalid',
      `The account cannot have these SSH keys: they ${excess}. Remove some of them.`,
      [{ pointer: '/sshKeys', detail: `The keys ${excess}.` }],
    )
  }
  const faults = keys.flatMap((key, index) => faultOf(key, `/sshKeys/${index}`))
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

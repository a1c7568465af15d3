import { validateKeys, type KeyVerdict } from '@puppy/accounts'
import type { Host } from '@puppy/host'
import { ApiError } from '@puppy/state'

/** Refuses keys that ssh-keygen does not take. @throws ApiError `ssh_key_invalid` that points at every one of them. */
export type SshKeyCheck = (keys: readonly string[]) => Promise<void>

const remembered = 10_000

/**
 * Checks keys by the real ssh-keygen. Requests that come while it runs share its next run, and keys that were good
 * before are not asked about again: the same ones come with every repeated PUT.
 */
export function createSshKeyCheck(host: Host): SshKeyCheck {
  const good = new Set<string>()
  let waiting = new Set<string>()
  let running: Promise<unknown> = Promise.resolve()
  let next: Promise<ReadonlyMap<string, KeyVerdict>> | undefined

  const runNext = async (): Promise<ReadonlyMap<string, KeyVerdict>> => {
    const keys = [...waiting]
    waiting = new Set()
    next = undefined
    const verdicts = await validateKeys(host, keys)
    return new Map(keys.flatMap((key, index) => (verdicts[index] === undefined ? [] : [[key, verdicts[index]]])))
  }
  const ask = (keys: readonly string[]): Promise<ReadonlyMap<string, KeyVerdict>> => {
    for (const key of keys) waiting.add(key)
    const shared = next ?? running.then(runNext)
    next = shared
    running = shared.catch(() => {})
    return shared
  }
  return async (keys) => {
    const unknown = keys.filter((key) => !good.has(key))
    if (unknown.length === 0) return
    const verdicts = await ask(unknown)
    assertAll(keys, verdicts)
    if (good.size > remembered) good.clear()
    for (const key of keys) good.add(key)
  }
}

/** A key without a verdict was good before. */
function assertAll(keys: readonly string[], verdicts: ReadonlyMap<string, KeyVerdict>): void {
  const faults = keys.flatMap((key, index) => {
    const verdict = verdicts.get(key)
    return verdict?.valid === false ? [{ pointer: `/sshKeys/${index}`, detail: verdict.message }] : []
  })
  if (faults.length > 0) throw new ApiError('ssh_key_invalid', 'Some of the ssh keys cannot be used', faults)
}

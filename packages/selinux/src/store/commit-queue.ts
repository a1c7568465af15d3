import { isDeepStrictEqual } from 'node:util'
import { effectTimeout, HostError } from '@puppy/host'
import { SelinuxError, type SelinuxErrorCode } from '../errors.ts'
import type { AppliedPolicy, PolicyChangeSet } from './change.ts'
import type { CommitOptions } from './commit.ts'

/** The options of one call in a transaction. */
export type CallOptions = Pick<CommitOptions, 'timeout' | 'patience' | 'signal' | 'verify'>

export interface CommitQueueOptions {
  /** Applies change sets in one transaction. */
  readonly commit: (
    changeSets: readonly [PolicyChangeSet, ...PolicyChangeSet[]],
    options: CallOptions,
  ) => Promise<readonly PromiseSettledResult<AppliedPolicy>[]>
  /**
   * Returns a promise that the first call waits for when no transaction runs, so that other calls can share its transaction. Default: no
   * wait.
   */
  readonly gather?: () => Promise<unknown>
}

/** Adds a change set to the queue and returns its result. */
export type CommitQueue = (changeSet: PolicyChangeSet, options: CallOptions) => Promise<AppliedPolicy>

interface Call {
  readonly changeSet: PolicyChangeSet
  readonly options: CallOptions
  readonly resolve: (applied: AppliedPolicy) => void
  readonly reject: (error: unknown) => void
}

/**
 * Creates a queue of change sets. Calls that arrive while a transaction runs share the next one. When a shared transaction is refused,
 * each call is tried alone, so no call fails because of a module of another call.
 *
 * Calls that change the same item differently do not share a transaction. The later one finds that the store has changed.
 */
export function createCommitQueue({ commit, gather }: CommitQueueOptions): CommitQueue {
  const waiting: Call[] = []
  let [running, sharing] = [false, false]

  async function drain(): Promise<void> {
    if (running) return
    running = true
    // A wait that fails also ends.
    await gather?.().catch(() => {})
    for (let batch = takeShared(waiting); batch !== undefined; batch = takeShared(waiting)) await serve(batch)
    running = false
  }

  async function serve(batch: readonly [Call, ...Call[]]): Promise<void> {
    const [first, ...others] = batch
    sharing = others.length > 0
    try {
      using shared = sharedOptions(batch)
      const outcomes = await commit([first.changeSet, ...others.map(({ changeSet }) => changeSet)], shared.options)
      for (const [at, outcome] of outcomes.entries()) {
        if (outcome.status === 'fulfilled') batch[at]?.resolve(outcome.value)
        else batch[at]?.reject(outcome.reason)
      }
    } catch (error) {
      const separable = batch.length > 1 && error instanceof SelinuxError && separableCodes.includes(error.code)
      if (separable)
        for (const call of batch.filter(({ options }) => options.signal?.aborted !== true)) await serve([call])
      else for (const { reject } of batch) reject(error)
    }
  }

  return async (changeSet, options) => {
    const { promise, resolve, reject } = Promise.withResolvers<AppliedPolicy>()
    const call: Call = { changeSet, options, resolve, reject }
    const giveUp = () => {
      const at = waiting.indexOf(call)
      if (at >= 0) waiting.splice(at, 1)
      // A call that is alone in its transaction waits until the transaction has ended. A shared transaction continues for the other calls.
      if (at >= 0 || sharing) reject(aborted())
    }
    if (options.signal?.aborted === true) throw aborted()
    options.signal?.addEventListener('abort', giveUp, { once: true })
    waiting.push(call)
    void drain()
    return promise.finally(() => options.signal?.removeEventListener('abort', giveUp))
  }
}

function aborted(): HostError {
  return new HostError('HOST_ABORTED', { operation: 'commit the policy', detail: 'the caller aborted it' })
}

/** The failures that an item of another call can cause. */
const separableCodes: readonly SelinuxErrorCode[] = [
  'SELINUX_INVALID',
  'SELINUX_MISMATCH',
  'SELINUX_NOT_INSTALLED',
  'SELINUX_REFUSED',
  'SELINUX_ROLLED_BACK',
]

/** Removes the first call and all calls that can share its transaction from the queue. Returns undefined when the queue is empty. */
function takeShared(waiting: Call[]): readonly [Call, ...Call[]] | undefined {
  const first = waiting.shift()
  if (first === undefined) return undefined
  const batch: [Call, ...Call[]] = [first]
  for (const call of waiting.splice(0)) {
    const shares = batch.every(({ changeSet }) => agree(changeSet, call.changeSet))
    if (shares) batch.push(call)
    else waiting.push(call)
  }
  return batch
}

/** Returns whether two change sets are of the same policy and make the same changes to every item that both change. Pure. */
export function agree(one: PolicyChangeSet, other: PolicyChangeSet): boolean {
  if (one.observed.type !== other.observed.type) return false
  const changesOf = ({ changes }: PolicyChangeSet, target: string) =>
    changes.filter((change) => change.target === target)
  const targets = new Set(one.changes.map(({ target }) => target))
  return other.changes.every(
    ({ target }) => !targets.has(target) || isDeepStrictEqual(changesOf(one, target), changesOf(other, target)),
  )
}

/**
 * Returns the options of a shared transaction: the longest timeouts, the checks of all calls, and a signal that is aborted when all calls
 * are aborted.
 */
function sharedOptions(batch: readonly Call[]): Disposable & { readonly options: CallOptions } {
  const timeouts = batch.map(({ options: { timeout = effectTimeout } }) => timeout)
  const patiences = batch.map(({ options: { timeout = effectTimeout, patience = timeout } }) => patience)
  const verify = async () => {
    for (const { options } of batch) {
      const complaint = await options.verify?.()
      if (complaint !== undefined) return complaint
    }
    return undefined
  }
  const end = new AbortController()
  const over = new AbortController()
  let left = batch.length
  for (const { options } of batch)
    options.signal?.addEventListener(
      'abort',
      () => {
        left -= 1
        if (left === 0) end.abort()
      },
      { once: true, signal: over.signal },
    )
  return {
    options: { timeout: Math.max(...timeouts), patience: Math.max(...patiences), verify, signal: end.signal },
    [Symbol.dispose]: () => over.abort(),
  }
}

import { isDeepStrictEqual } from 'node:util'
import { effectTimeout, HostError } from '@puppy/host'
import { SelinuxError, type SelinuxErrorCode } from '../errors.ts'
import type { AppliedPolicy, PolicyChangeSet } from './change.ts'
import type { CommitOptions } from './commit.ts'

/** What one caller says of its part of a transaction. */
export type CallOptions = Pick<CommitOptions, 'timeout' | 'patience' | 'signal' | 'verify'>

export interface CommitQueueOptions {
  /** Applies change sets in one transaction. */
  readonly commit: (
    changeSets: readonly [PolicyChangeSet, ...PolicyChangeSet[]],
    options: CallOptions,
  ) => Promise<readonly PromiseSettledResult<AppliedPolicy>[]>
  /** What the first caller waits for when no transaction runs, so that others can share its transaction. Default: nothing. */
  readonly gather?: () => Promise<unknown>
}

/** Adds a change set and returns what became of it. */
export type CommitQueue = (changeSet: PolicyChangeSet, options: CallOptions) => Promise<AppliedPolicy>

interface Call {
  readonly changeSet: PolicyChangeSet
  readonly options: CallOptions
  readonly resolve: (applied: AppliedPolicy) => void
  readonly reject: (error: unknown) => void
}

/**
 * Creates a queue of change sets. Calls that come while a transaction runs share the next one. When a shared one is refused, each call is
 * tried alone, so that no caller fails for another's module.
 *
 * Calls that change the same item differently do not share: the later one finds that the store has changed.
 */
export function createCommitQueue({ commit, gather }: CommitQueueOptions): CommitQueue {
  const waiting: Call[] = []
  let [running, sharing] = [false, false]

  async function drain(): Promise<void> {
    if (running) return
    running = true
    // A wait that fails is over too.
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
      // A call that has a transaction of its own waits until that is ended. A shared one goes on for the others.
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
  return new HostError('HOST_ABORTED', { operation: 'commit the policy', detail: 'the caller gave up' })
}

/** The failures that another caller's items can cause. */
const separableCodes: readonly SelinuxErrorCode[] = [
  'SELINUX_INVALID',
  'SELINUX_MISMATCH',
  'SELINUX_NOT_INSTALLED',
  'SELINUX_REFUSED',
  'SELINUX_ROLLED_BACK',
]

/** Takes the first call and all that can share its transaction; undefined when none waits. */
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

/** Whether two change sets are of the same policy and do the same to every item that both change. Pure. */
export function agree(one: PolicyChangeSet, other: PolicyChangeSet): boolean {
  if (one.observed.type !== other.observed.type) return false
  const changesOf = ({ changes }: PolicyChangeSet, target: string) =>
    changes.filter((change) => change.target === target)
  const targets = new Set(one.changes.map(({ target }) => target))
  return other.changes.every(
    ({ target }) => !targets.has(target) || isDeepStrictEqual(changesOf(one, target), changesOf(other, target)),
  )
}

/** The longest times that one of them gives, the checks of all, and a signal that is aborted when all gave up. */
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

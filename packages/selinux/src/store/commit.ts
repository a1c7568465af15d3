import { isDeepStrictEqual } from 'node:util'
import { copyContext, effectTimeout, HostError, type EffectOptions, type Host, type Lock } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { effectOptions } from '../program.ts'
import { loadBooleans } from './booleans.ts'
import type { AppliedPolicy, PolicyChange, PolicyChangeSet, PolicyResult } from './change.ts'
import { previousSpec, readText, textFile, tidyGenerations, writeGeneration } from './generations.ts'
import { storePaths } from './paths.ts'
import { planPolicy } from './plan.ts'
import { readStore, type ObservedPolicy } from './read-store.ts'
import { repairStore } from './repair.ts'
import { planRevert } from './revert.ts'
import { runTransaction } from './run-transaction.ts'
import { assertSpace } from './space.ts'
import { booleanTarget, itemsOf } from './spec.ts'

export interface CommitOptions extends EffectOptions {
  /** Milliseconds to wait for another process that changes the policy. Default `timeout`. */
  readonly patience?: number
  /** Whether the kernel gets the policy. Default true on a live host. On a folder it never does. */
  readonly reload?: boolean
  /** Users whom genhomedircon should not see. */
  readonly hidden?: ReadonlySet<string>
  /** Returns what is wrong with the policy that has just been loaded: then the transaction is reverted. It may not change the policy. */
  readonly verify?: () => Promise<string | undefined>
}

/** A folder of ours: the lock, and what the tools are given to read. A reboot deletes it, and `forget` does. */
export const workFolder = '/run/puppy-selinux'

const operation = 'commit the policy'

/**
 * Applies change sets of the same policy in one transaction, and reads every item back.
 *
 * A change set that the store does not match any more is not applied. A module that the compiler refuses, or a boolean that the policy
 * does not have, is left out: it has the error, and everything else is committed. Killed at any moment it leaves the store as before or as the
 * change sets say.
 *
 * @returns what became of each change set, in their order.
 * @throws SelinuxError when nothing was applied: `SELINUX_LOCKED` naming who has the store, `SELINUX_REFUSED`, `SELINUX_NO_SPACE`,
 *   `SELINUX_BROKEN`, `SELINUX_NOT_INSTALLED`, `SELINUX_ROLLED_BACK`. After `SELINUX_MISMATCH` and `SELINUX_TIMEOUT` the state is unknown.
 */
export async function commit(
  host: Host,
  changeSets: readonly [PolicyChangeSet, ...PolicyChangeSet[]],
  options: CommitOptions = {},
): Promise<readonly PromiseSettledResult<AppliedPolicy>[]> {
  const [{ observed }] = changeSets
  return locked(host, options, (attempt) => commitLocked(host, observed.type, changeSets, attempt))
}

/**
 * Makes the policy have what it had of ours before the last transaction that stands. A second call makes it have the newer again.
 *
 * @throws SelinuxError as `commit`, and `SELINUX_NO_PREVIOUS`.
 */
export async function rollback(host: Host, type: string, options: CommitOptions = {}): Promise<AppliedPolicy> {
  return locked(host, options, async (attempt) => {
    const spec = await previousSpec(host, await readStore(host, type))
    const changeSet = planPolicy(spec, await readFor(host, type, [spec], attempt))
    const [outcome] = await commitLocked(host, type, [changeSet], { ...attempt, whole: true })
    if (outcome?.status === 'fulfilled') return outcome.value
    throw outcome?.reason
  })
}

interface Attempt extends CommitOptions {
  readonly timeout: number
  readonly patience: number
  /** When to stop waiting for other processes, in milliseconds since 1970. */
  readonly deadline: number
  readonly reload: boolean
  /** All or nothing: an item that the policy does not take fails the others too. */
  readonly whole?: boolean
}

/** Holds our lock from before the first look until all is done or reverted. */
async function locked<Value>(
  host: Host,
  options: CommitOptions,
  use: (attempt: Attempt) => Promise<Value>,
): Promise<Value> {
  const { timeout = effectTimeout, patience = timeout } = options
  const deadline = Date.now() + patience
  await host.makeFolder(workFolder, { mode: 0o700 })
  await using _lock = await takeLock(host, deadline, options)
  return use({ ...options, timeout, patience, deadline, reload: host.live && (options.reload ?? true) })
}

async function readFor(host: Host, type: string, specs: readonly PolicyChangeSet['spec'][], { reload }: Attempt) {
  const booleans = specs.flatMap((spec) => Object.keys(spec.booleans ?? {}))
  return readStore(host, type, reload ? booleans : undefined)
}

async function commitLocked(
  host: Host,
  type: string,
  changeSets: readonly PolicyChangeSet[],
  attempt: Attempt,
): Promise<readonly PromiseSettledResult<AppliedPolicy>[]> {
  const read = () =>
    readFor(
      host,
      type,
      changeSets.map(({ spec }) => spec),
      attempt,
    )
  const before = await read()
  const valid = changeSets.filter((changeSet) => !isStale(changeSet, before))
  const changes = distinct(valid, before)
  const failures = await commitChanges(host, before, changes, attempt)
  const after = valid.length === 0 ? before : await read()
  if (valid.length > 0) await tidyGenerations(host, after)
  return changeSets.map((changeSet) => {
    if (!valid.includes(changeSet)) return { status: 'rejected', reason: stale(type) }
    return verified(changeSet, after, { changes, failures, reload: attempt.reload })
  })
}

/**
 * Whether the same spec is now planned otherwise: another process has changed what the change set is about. What another process has
 * repaired or rebuilt meanwhile does not count.
 */
function isStale({ spec, changes, refused }: PolicyChangeSet, now: ObservedPolicy): boolean {
  const planned = planPolicy(spec, now)
  const items = (all: readonly PolicyChange[]) => all.filter((change) => !isMending(change))
  const mended = new Set(changes.filter(isMending).map(({ target }) => target))
  return (
    !isDeepStrictEqual([items(planned.changes), planned.refused.length], [items(changes), refused.length]) ||
    planned.changes.some((change) => isMending(change) && !mended.has(change.target))
  )
}

/** Whether a change is about the store as a whole, and not about an item of a spec. */
function isMending({ action }: PolicyChange): boolean {
  return action === 'rebuild' || action === 'repair'
}

function stale(type: string): SelinuxError {
  const detail = 'the store has changed since it was read; read and plan again'
  return new SelinuxError('SELINUX_CHANGED', {
    operation: 'apply the change set to',
    target: storePaths(type).store,
    detail,
  })
}

/** The changes of all, each once: callers may agree about one. What has been repaired or rebuilt meanwhile is left out. */
function distinct(changeSets: readonly PolicyChangeSet[], now: ObservedPolicy): readonly PolicyChange[] {
  const needed = new Set(planPolicy({}, now).changes.map(({ target }) => target))
  const changes: PolicyChange[] = []
  for (const change of changeSets.flatMap((changeSet) => changeSet.changes)) {
    if (isMending(change) && !needed.has(change.target)) continue
    if (!changes.some((other) => isDeepStrictEqual(other, change))) changes.push(change)
  }
  return changes
}

/** Commits all that the policy takes. @returns the errors of the others, by target. */
async function commitChanges(
  host: Host,
  before: ObservedPolicy,
  all: readonly PolicyChange[],
  attempt: Attempt,
): Promise<ReadonlyMap<string, SelinuxError>> {
  const failures = new Map<string, SelinuxError>()
  for (;;) {
    const changes = all.filter(({ target }) => !failures.has(target))
    if (changes.length === 0) return failures
    try {
      const refused = await perform(host, before, changes, attempt)
      for (const name of refused) failures.set(booleanTarget(name), mismatch(booleanTarget(name)))
      return failures
    } catch (error) {
      const isolates = attempt.whole !== true && error instanceof SelinuxError
      const target = isolates ? faultyTarget(error, changes) : undefined
      if (target === undefined) throw error
      failures.set(target, error as SelinuxError)
    }
  }
}

/** The item that a failed transaction names; undefined when it names none, or one that is not ours. */
function faultyTarget({ code, facts }: SelinuxError, changes: readonly PolicyChange[]): string | undefined {
  return changes.find(
    (change) =>
      (code === 'SELINUX_REFUSED' && change.action === 'install' && change.name === facts.value) ||
      (code === 'SELINUX_INVALID' && change.action === 'set' && change.boolean === facts.target),
  )?.target
}

/** What a transaction was to make, and the items that failed. */
interface Made {
  readonly changes: readonly PolicyChange[]
  readonly failures: ReadonlyMap<string, SelinuxError>
  readonly reload: boolean
}

/** Compares what was read back with the spec. */
function verified(
  changeSet: PolicyChangeSet,
  after: ObservedPolicy,
  { changes: made, failures, reload }: Made,
): PromiseSettledResult<AppliedPolicy> {
  const { spec, changes, refused } = changeSet
  const left = new Set(planPolicy(spec, after).changes.map(({ target }) => target))
  const targets = new Set(made.map(({ target }) => target))
  const performed = new Set(
    changes.flatMap(({ target }) => (targets.has(target) && !failures.has(target) ? [target] : [])),
  )
  const results = itemsOf(spec).map((target): PolicyResult => {
    const error =
      refused.find((one) => one.target === target)?.error ??
      failures.get(target) ??
      (left.has(target) ? mismatch(target) : undefined)
    return { target, changed: performed.has(target), ...(error === undefined ? {} : { error }) }
  })
  const broken = [...left].find((target) => !results.some((result) => result.target === target))
  if (broken !== undefined) return { status: 'rejected', reason: mismatch(broken) }
  const needsReload = !reload && changes.some(({ action, target }) => action !== 'load' && performed.has(target))
  return { status: 'fulfilled', value: { changed: performed.size > 0, changes, results, needsReload } }
}

/** Returns what became of a change set without changes. Pure. */
export function unchanged({ spec, changes, refused }: PolicyChangeSet): AppliedPolicy {
  const results = itemsOf(spec).map((target): PolicyResult => {
    const error = refused.find((one) => one.target === target)?.error
    return { target, changed: false, ...(error === undefined ? {} : { error }) }
  })
  return { changed: false, changes, results, needsReload: false }
}

function mismatch(target: string): SelinuxError {
  const detail = 'the policy was committed, and it is not as the spec says; see what else changes the policy'
  return new SelinuxError('SELINUX_MISMATCH', { operation: 'verify the', target, detail })
}

/**
 * Commits, gives the kernel its booleans, and asks whether the policy works. When one of the later steps fails, all is reverted.
 *
 * @returns the booleans that the kernel did not take.
 */
async function perform(
  host: Host,
  before: ObservedPolicy,
  changes: readonly PolicyChange[],
  attempt: Attempt,
): Promise<readonly string[]> {
  if (changes.some(({ action }) => action === 'repair')) await repairStore(host, before.type, effectOptions(attempt))
  const stored = changes.filter(isStored)
  if (stored.length > 0) {
    await assertSpace(host, storePaths(before.type), effectOptions(attempt))
    await writeGeneration(host, before, stored).catch((cause: unknown) => {
      throw fullDisk(cause) ?? cause
    })
  }
  const values = await transact(host, before, stored, attempt)
  try {
    const refused = await load(host, changes, values, attempt)
    const complaint = attempt.reload ? await complaintOf(attempt) : undefined
    if (complaint === undefined) return refused
    throw new SelinuxError('SELINUX_ROLLED_BACK', { operation: 'verify the policy', ...complaint })
  } catch (error) {
    await revert(host, before, changes, attempt).catch((cause: unknown) => {
      throw new SelinuxError('SELINUX_MISMATCH', {
        operation: 'revert the transaction in',
        target: storePaths(before.type).store,
        said: `${messageOf(error)}; and reverting failed: ${messageOf(cause)}`,
        cause: new AggregateError([error, cause]),
      })
    })
    throw error
  }
}

/** Whether a change is one of the transaction: the others are made beside it. */
function isStored({ action }: PolicyChange): boolean {
  return action !== 'load' && action !== 'repair'
}

/** A check that fails has not said that the policy works. */
async function complaintOf({
  verify,
}: Attempt): Promise<{ readonly detail: string; readonly cause?: unknown } | undefined> {
  try {
    const detail = await verify?.()
    return detail === undefined ? undefined : { detail }
  } catch (cause) {
    return { detail: `the check failed: ${messageOf(cause)}`, cause }
  }
}

async function revert(
  host: Host,
  before: ObservedPolicy,
  changes: readonly PolicyChange[],
  attempt: Attempt,
): Promise<void> {
  const names = changes.flatMap((change) => (change.action === 'remove' ? [change.name] : []))
  const texts = new Map(
    await Promise.all(names.map(async (name) => [name, await readText(host, before.type, name)] as const)),
  )
  const back = planRevert(changes, before, (name) => texts.get(name))
  if (back === undefined) {
    const detail = 'the text of a module from before is not kept'
    throw new SelinuxError('SELINUX_NO_PREVIOUS', {
      operation: 'revert the transaction in',
      target: before.type,
      detail,
    })
  }
  // The caller that aborted the transaction did not abort its reversal.
  const { signal: _, ...patient } = { ...attempt, deadline: Date.now() + attempt.patience }
  const values = await transact(host, before, back.filter(isStored), patient)
  await load(host, back, values, patient)
}

/** @returns what the policy has afterwards for the booleans that were changed. */
async function transact(
  host: Host,
  { type, dontaudit }: ObservedPolicy,
  changes: readonly PolicyChange[],
  attempt: Attempt,
): Promise<Readonly<Record<string, boolean>>> {
  if (changes.length === 0) return {}
  const texts = changes.flatMap((change) => (change.action === 'install' ? [textFile(type, change.name)] : []))
  await copyContext(host, storePaths(type).active, texts, effectOptions(attempt))
  return runTransaction(host, type, changes, { ...attempt, folder: workFolder, logged: dontaudit === 'logged' })
}

async function load(
  host: Host,
  changes: readonly PolicyChange[],
  values: Readonly<Record<string, boolean>>,
  attempt: Attempt,
): Promise<readonly string[]> {
  return attempt.reload ? loadBooleans(host, { ...values, ...valuesOf(changes) }, effectOptions(attempt)) : []
}

/** Files of ours may be on another file system than the store. */
function fullDisk(cause: unknown): SelinuxError | undefined {
  if (!(cause instanceof HostError) || !['ENOSPC', 'EDQUOT'].includes(cause.facts.detail ?? '')) return undefined
  const target = cause.facts.path ?? ''
  return new SelinuxError('SELINUX_NO_SPACE', { operation, target, detail: 'the disk is full', cause })
}

function valuesOf(changes: readonly PolicyChange[]): Readonly<Record<string, boolean>> {
  return Object.fromEntries(
    changes.flatMap((change) =>
      (change.action === 'set' || change.action === 'load') && change.value !== 'default'
        ? [[change.boolean, change.value]]
        : [],
    ),
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function takeLock(host: Host, deadline: number, { signal }: EffectOptions): Promise<Lock> {
  const path = `${workFolder}/lock`
  try {
    return await host.lock(path, {
      timeout: Math.max(0, deadline - Date.now()),
      purpose: 'a policy transaction',
      ...(signal === undefined ? {} : { signal }),
    })
  } catch (cause) {
    if (!(cause instanceof HostError) || cause.code !== 'HOST_LOCK_TIMEOUT') throw cause
    throw new SelinuxError('SELINUX_LOCKED', { operation, target: path, detail: cause.facts.detail ?? '', cause })
  }
}

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
  /** Whether the policy is loaded into the kernel. Default true on a live host. Never loaded on a host that is only a folder. */
  readonly reload?: boolean
  /** Users that are hidden from genhomedircon. */
  readonly hidden?: ReadonlySet<string>
  /** Returns a problem of the policy that was just loaded; the transaction is then reverted. It must not change the policy. */
  readonly verify?: () => Promise<string | undefined>
}

/** The working folder: the lock, and files that the tools read. A reboot and `forget` delete it. */
export const workFolder = '/run/puppy-selinux'

const operation = 'commit the policy'

/**
 * Applies change sets of the same policy in one transaction, and reads every item back.
 *
 * A change set that no longer matches the store is not applied. A module that the compiler refuses, or a boolean that the policy does not
 * have, is left out. It has an error, and all other items are committed. If the process is killed at any moment, the store is as before
 * or as the change sets specify.
 *
 * @returns the result of each change set, in their order.
 * @throws SelinuxError when nothing was applied: `SELINUX_LOCKED` with the process that holds the store, `SELINUX_REFUSED`,
 *   `SELINUX_NO_SPACE`, `SELINUX_BROKEN`, `SELINUX_NOT_INSTALLED`, `SELINUX_ROLLED_BACK`. After `SELINUX_MISMATCH` and `SELINUX_TIMEOUT`
 *   the state is unknown.
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
 * Restores the items of this library to their state before the last transaction whose result is still in the store. A second call
 * restores the newer state again.
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
  /** Whether an item that the policy refuses fails the other items too. */
  readonly whole?: boolean
}

/** Holds the lock of this library from before the first reading until everything is done or reverted. */
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
 * Returns whether the same spec now has another plan, because another process has changed an item of the change set. Repairs and rebuilds
 * by another process do not count.
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

/** Returns whether a change is about the whole store and not about an item of a spec. */
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

/**
 * Returns the changes of all change sets without duplicates, because calls may have a change in common. Leaves out repairs and rebuilds
 * that are no longer needed.
 */
function distinct(changeSets: readonly PolicyChangeSet[], now: ObservedPolicy): readonly PolicyChange[] {
  const needed = new Set(planPolicy({}, now).changes.map(({ target }) => target))
  const changes: PolicyChange[] = []
  for (const change of changeSets.flatMap((changeSet) => changeSet.changes)) {
    if (isMending(change) && !needed.has(change.target)) continue
    if (!changes.some((other) => isDeepStrictEqual(other, change))) changes.push(change)
  }
  return changes
}

/** Commits all changes that the policy accepts. @returns the errors of the other changes, by target. */
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

/** Returns the item that a failed transaction names. Returns undefined when it names none, or an item of another program. */
function faultyTarget({ code, facts }: SelinuxError, changes: readonly PolicyChange[]): string | undefined {
  return changes.find(
    (change) =>
      (code === 'SELINUX_REFUSED' && change.action === 'install' && change.name === facts.value) ||
      (code === 'SELINUX_INVALID' && change.action === 'set' && change.boolean === facts.target),
  )?.target
}

/** The changes of a transaction and the items that failed. */
interface Made {
  readonly changes: readonly PolicyChange[]
  readonly failures: ReadonlyMap<string, SelinuxError>
  readonly reload: boolean
}

/** Compares the state that was read back with the spec. */
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

/** Returns the result of a change set without changes. Pure. */
export function unchanged({ spec, changes, refused }: PolicyChangeSet): AppliedPolicy {
  const results = itemsOf(spec).map((target): PolicyResult => {
    const error = refused.find((one) => one.target === target)?.error
    return { target, changed: false, ...(error === undefined ? {} : { error }) }
  })
  return { changed: false, changes, results, needsReload: false }
}

function mismatch(target: string): SelinuxError {
  const detail =
    'the policy was committed and still differs from the spec; find out which other program changes the policy'
  return new SelinuxError('SELINUX_MISMATCH', { operation: 'verify', target, detail })
}

/**
 * Commits, sets the booleans in the kernel, and runs the check of the caller. When one of the later steps fails, everything is reverted.
 *
 * @returns the booleans that the kernel refused.
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
        said: `${messageOf(error)}; reverting failed: ${messageOf(cause)}`,
        cause: new AggregateError([error, cause]),
      })
    })
    throw error
  }
}

/** Returns whether a change is part of the transaction. The other changes are made separately. */
function isStored({ action }: PolicyChange): boolean {
  return action !== 'load' && action !== 'repair'
}

/** Runs the check of the caller and returns the problem. A check that throws also counts as a problem. */
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
    const detail = 'the text of a previous module is missing'
    throw new SelinuxError('SELINUX_NO_PREVIOUS', {
      operation: 'revert the transaction in',
      target: before.type,
      detail,
    })
  }
  // An abort by the caller must not abort the reversal.
  const { signal: _, ...patient } = { ...attempt, deadline: Date.now() + attempt.patience }
  const values = await transact(host, before, back.filter(isStored), patient)
  await load(host, back, values, patient)
}

/** @returns the values of the changed booleans in the policy after the transaction. */
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

/** Returns the error of a full disk. Files of this library may be on another file system than the store. */
function fullDisk(cause: unknown): SelinuxError | undefined {
  if (!(cause instanceof HostError) || !['ENOSPC', 'EDQUOT'].includes(cause.facts.detail ?? '')) return undefined
  const target = cause.facts.path ?? ''
  return new SelinuxError('SELINUX_NO_SPACE', {
    operation,
    target,
    detail: 'the disk is full; free some space, then try again',
    cause,
  })
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

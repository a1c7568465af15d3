import { HostError, type Host, type Lock } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { signalOf, type EffectOptions } from '../program.ts'
import { loadBooleans } from './booleans.ts'
import { previousWish, readText, textFile, tidyGenerations, writeGeneration } from './generations.ts'
import { labelLike } from './label-like.ts'
import { readStore, storePaths, type StoreObservation } from './observe.ts'
import { planBack, planPolicy, type PolicyChange, type PolicyPlan, type PolicyWish } from './plan.ts'
import { repairStore } from './repair.ts'
import { runTransaction } from './run.ts'
import { assertSpace } from './space.ts'

export interface TransactionOptions extends EffectOptions {
  /** Milliseconds for the transaction itself. Default 600,000. */
  readonly timeout?: number
  /** Milliseconds to wait for others who change the policy. Default 60,000. */
  readonly patience?: number
  /** Whether the kernel gets the policy. Default true on a live host; on a folder it never does. */
  readonly reload?: boolean
  /** Users whom genhomedircon should not see. */
  readonly hidden?: ReadonlySet<string>
  /** Says what is wrong with the policy that has just been loaded: then the transaction is taken back. It may not change the policy. */
  readonly verify?: () => Promise<string | undefined>
}

/** What a transaction did. */
export interface Committed {
  readonly changed: boolean
  readonly plan: PolicyPlan
  /** Whether the kernel still has the policy from before: `load_policy` gives it the new one. */
  readonly needsReload: boolean
  /** Whether a store that was left half way has been put back first. */
  readonly repaired: boolean
}

/** A folder of ours: the lock, and what the tools are given to read. Gone with a reboot, or removed when nobody uses it any more. */
export const workFolder = '/run/puppy-selinux'

/** Milliseconds. A policy takes seconds to build, and minutes on a slow machine; somebody who installs packages holds the store for a while. */
export const defaultTimes = { timeout: 600_000, patience: 60_000 } as const

const operation = 'commit the policy'

/**
 * Makes the policy have what is wanted, in one transaction or none, and reads it back.
 *
 * Killed at any moment it leaves the store as before or as wanted; the next one goes on. When it fails, the store and the kernel are as
 * before, unless the code is `SELINUX_MISMATCH` or `SELINUX_TIMEOUT`.
 *
 * @throws SelinuxError `SELINUX_LOCKED` naming who has the store, `SELINUX_REFUSED`, `SELINUX_NO_SPACE`, `SELINUX_TIMEOUT`,
 *   `SELINUX_BROKEN`, `SELINUX_MISMATCH`, `SELINUX_NOT_INSTALLED`, `SELINUX_INVALID`, `SELINUX_ROLLED_BACK`.
 */
export async function commit(
  host: Host,
  type: string,
  wish: PolicyWish,
  options: TransactionOptions = {},
): Promise<Committed> {
  return transact(host, type, async () => wish, options)
}

/**
 * Makes the policy have what it had of ours before the last transaction that stands; a second one makes it have the newer again.
 *
 * @throws SelinuxError as `commit`, and `SELINUX_NO_PREVIOUS`.
 */
export async function rollback(host: Host, type: string, options: TransactionOptions = {}): Promise<Committed> {
  return transact(host, type, (seen) => previousWish(host, seen), options)
}

/** Our lock is held from before the first look until all is done, or taken back. */
async function transact(
  host: Host,
  type: string,
  decide: (seen: StoreObservation) => Promise<PolicyWish>,
  options: TransactionOptions,
): Promise<Committed> {
  const deadline = Date.now() + (options.patience ?? defaultTimes.patience)
  await host.makeFolder(workFolder, { mode: 0o700 })
  await using _lock = await takeOurs(host, deadline, options)
  const repaired = await repairStore(host, type, options)
  const wish = await decide(await readStore(host, type))
  const reload = host.live && (options.reload ?? true)
  const look = () => readStore(host, type, reload ? Object.keys(wish.booleans ?? {}) : undefined)
  const seen = await look()
  const { changes } = planPolicy(wish, seen)
  if (changes.length === 0) return { changed: false, plan: { changes }, needsReload: false, repaired }
  await make(host, seen, changes, { ...options, deadline, reload })
  const after = await look()
  await tidyGenerations(host, after)
  const left = planPolicy(wish, after).changes
  if (left.length === 0) return { changed: true, plan: { changes }, needsReload: !reload, repaired }
  const detail = `${left.map(subjectOf).join(', ')} is not as it should be`
  throw new SelinuxError('SELINUX_MISMATCH', { operation, target: storePaths(type).store, detail })
}

interface Attempt extends TransactionOptions {
  readonly deadline: number
  readonly reload: boolean
}

/** Commits, gives the kernel its booleans, and asks whether it works; when one of the later fails, what was done is taken back. */
async function make(
  host: Host,
  seen: StoreObservation,
  changes: readonly PolicyChange[],
  attempt: Attempt,
): Promise<void> {
  const stored = changes.filter(({ action }) => action !== 'load')
  if (stored.length > 0) {
    await assertSpace(host, storePaths(seen.type), signalOf(attempt))
    await writeGeneration(host, seen, stored).catch((cause: unknown) => {
      throw spaceless(cause) ?? cause
    })
  }
  const given = await perform(host, seen, changes, attempt)
  try {
    await load(host, changes, given, attempt)
    const complaint = attempt.reload ? await complaintOf(attempt) : undefined
    if (complaint === undefined) return
    throw new SelinuxError('SELINUX_ROLLED_BACK', { operation: 'verify the policy', detail: complaint })
  } catch (error) {
    await takeBack(host, seen, changes, attempt).catch((cause: unknown) => {
      const said = `${messageOf(error)}; and it could not be taken back: ${messageOf(cause)}`
      throw new SelinuxError('SELINUX_MISMATCH', { operation, target: storePaths(seen.type).store, said, cause })
    })
    throw error
  }
}

/** One that cannot be asked has not said that all is well. */
async function complaintOf({ verify }: Attempt): Promise<string | undefined> {
  try {
    return await verify?.()
  } catch (error) {
    return `it could not be looked at: ${messageOf(error)}`
  }
}

async function takeBack(
  host: Host,
  seen: StoreObservation,
  changes: readonly PolicyChange[],
  attempt: Attempt,
): Promise<void> {
  const names = changes.flatMap((change) => (change.action === 'remove' ? [change.name] : []))
  const texts = new Map(
    await Promise.all(names.map(async (name) => [name, await readText(host, seen.type, name)] as const)),
  )
  const back = planBack(changes, seen, (name) => texts.get(name))
  if (back === undefined) {
    throw new SelinuxError('SELINUX_NO_PREVIOUS', {
      operation: 'go back in the policy',
      value: seen.type,
      detail: 'the text of a module from before is not kept',
    })
  }
  // Whoever ended the transaction did not want this one ended too.
  const { signal: _, ...patient } = attempt
  const given = await perform(host, seen, back, {
    ...patient,
    deadline: Date.now() + (attempt.patience ?? defaultTimes.patience),
  })
  await load(host, back, given, patient)
}

/** @returns what the policy has afterwards for the booleans that were changed. */
async function perform(
  host: Host,
  { type, dontaudit }: StoreObservation,
  all: readonly PolicyChange[],
  attempt: Attempt,
): Promise<Readonly<Record<string, boolean>>> {
  const changes = all.filter(({ action }) => action !== 'load')
  if (changes.length === 0) return {}
  const texts = changes.flatMap((change) => (change.action === 'install' ? [textFile(type, change.name)] : []))
  await labelLike(host, storePaths(type).active, texts)
  const { timeout = defaultTimes.timeout } = attempt
  const logged = dontaudit === 'logged'
  return runTransaction(host, type, changes, { ...attempt, timeout, folder: workFolder, logged })
}

async function load(
  host: Host,
  changes: readonly PolicyChange[],
  given: Readonly<Record<string, boolean>>,
  attempt: Attempt,
): Promise<void> {
  if (attempt.reload) await loadBooleans(host, { ...given, ...valuesOf(changes) }, signalOf(attempt))
}

/** Files of ours may be on another file system than the store. */
function spaceless(cause: unknown): SelinuxError | undefined {
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

function subjectOf(change: PolicyChange): string {
  if ('name' in change) return change.name
  if ('boolean' in change) return change.boolean
  return 'why' in change ? change.why : change.action
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function takeOurs(host: Host, deadline: number, { signal }: EffectOptions): Promise<Lock> {
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

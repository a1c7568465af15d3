import { HostError, type Host, type Lock } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import type { EffectOptions } from '../program.ts'
import { loadBooleans } from './booleans.ts'
import { previousWish, textFile, tidyGenerations, writeGeneration } from './generations.ts'
import { labelLike } from './label-like.ts'
import { readStore, storePaths, type StoreObservation } from './observe.ts'
import { planPolicy, type PolicyChange, type PolicyPlan, type PolicyWish } from './plan.ts'
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

const operation = 'commit the policy'

/**
 * Makes the policy have what is wanted, in one transaction or none, and reads it back.
 *
 * Killed at any moment it leaves the store as before or as wanted; the next one goes on. When it fails, the store and the kernel are as
 * before.
 *
 * @throws SelinuxError `SELINUX_LOCKED` naming who has the store, `SELINUX_REFUSED`, `SELINUX_NO_SPACE`, `SELINUX_TIMEOUT`,
 *   `SELINUX_BROKEN`, `SELINUX_MISMATCH`, `SELINUX_NOT_INSTALLED`, `SELINUX_INVALID`.
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

async function transact(
  host: Host,
  type: string,
  decide: (seen: StoreObservation) => Promise<PolicyWish>,
  options: TransactionOptions,
): Promise<Committed> {
  const deadline = Date.now() + (options.patience ?? 60_000)
  await host.makeFolder(workFolder, { mode: 0o700 })
  await using _lock = await takeOurs(host, deadline, options)
  const repaired = await repairStore(host, type, options)
  const wish = await decide(await readStore(host, type))
  const look = () => readStore(host, type, Object.keys(wish.booleans ?? {}))
  const seen = await look()
  const plan = planPolicy(wish, seen)
  if (plan.changes.length === 0) return { changed: false, plan, needsReload: false, repaired }
  const reload = host.live && (options.reload ?? true)
  const given = await perform(host, seen, plan.changes, { ...options, deadline, reload })
  if (reload) await loadBooleans(host, { ...given, ...valuesOf(plan.changes) }, short(options))
  const after = await look()
  await tidyGenerations(host, after)
  const left = planPolicy(wish, after).changes.filter(({ action }) => reload || action !== 'load')
  if (left.length > 0) {
    const detail = `${left.map(subjectOf).join(', ')} is not as it should be`
    throw new SelinuxError('SELINUX_MISMATCH', { operation, target: storePaths(type).store, detail })
  }
  return { changed: true, plan, needsReload: !reload, repaired }
}

interface Attempt extends TransactionOptions {
  readonly deadline: number
  readonly reload: boolean
}

/** @returns what the policy has afterwards for the booleans that were changed. */
async function perform(
  host: Host,
  seen: StoreObservation,
  all: readonly PolicyChange[],
  attempt: Attempt,
): Promise<Readonly<Record<string, boolean>>> {
  const { type } = seen
  const changes = all.filter(({ action }) => action !== 'load')
  if (changes.length === 0) return {}
  await assertSpace(host, storePaths(type), short(attempt))
  await writeGeneration(host, seen, changes).catch((cause: unknown) => {
    throw spaceless(cause) ?? cause
  })
  const texts = changes.flatMap((change) => (change.action === 'install' ? [textFile(type, change.name)] : []))
  await labelLike(host, storePaths(type).active, texts)
  return runTransaction(host, type, changes, { ...attempt, folder: workFolder })
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

/** The time of the transaction is not that of the small programs around it. */
function short({ signal }: EffectOptions): EffectOptions {
  return signal === undefined ? {} : { signal }
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

import { HostError, inOurDomain, type Command, type Host, type Lock } from '@puppy/host'
import { setTimeout as sleep } from 'node:timers/promises'
import { SelinuxError } from '../errors.ts'
import { programOf, type EffectOptions } from '../program.ts'
import { failureOf, isLocked } from './failure.ts'
import { endedWell, hiding } from './hide.ts'
import { labelLike } from './label-like.ts'
import { findHolder, type LockHolder } from './locks.ts'
import { planModules, semoduleWords, type PolicyChange, type PolicyPlan, type PolicyWish } from './modules.ts'
import { readStore, storePaths } from './observe.ts'
import { repairStore } from './repair.ts'
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
 * Makes the store have what is wanted, in one transaction of semodule(8) or none, and reads it back.
 *
 * Killed at any moment it leaves the store as before or as wanted; the next one goes on. When it fails, the store and the kernel are as
 * before.
 *
 * @throws SelinuxError `SELINUX_LOCKED` naming who has the store, `SELINUX_REFUSED`, `SELINUX_NO_SPACE`, `SELINUX_TIMEOUT`,
 *   `SELINUX_BROKEN`, `SELINUX_MISMATCH`, `SELINUX_NOT_INSTALLED`.
 */
export async function commit(
  host: Host,
  type: string,
  wish: PolicyWish,
  options: TransactionOptions = {},
): Promise<Committed> {
  const deadline = Date.now() + (options.patience ?? 60_000)
  await host.makeFolder(workFolder, { mode: 0o700 })
  await using _lock = await takeOurs(host, deadline, options)
  const repaired = await repairStore(host, type, options)
  const plan = planModules(wish, await readStore(host, type))
  if (plan.changes.length === 0) return { changed: false, plan, needsReload: false, repaired }
  await assertSpace(host, storePaths(type), short(options))
  const files = await writeModules(host, plan.changes)
  await labelLike(host, storePaths(type).active, files)
  try {
    await runSemodule(host, type, plan.changes, { ...options, deadline })
  } finally {
    for (const file of files) await host.remove(file)
  }
  const left = planModules(wish, await readStore(host, type)).changes
  if (left.length > 0) {
    const detail = `${left.map((change) => ('name' in change ? change.name : change.why)).join(', ')} is not as it should be`
    throw new SelinuxError('SELINUX_MISMATCH', { operation, target: storePaths(type).store, detail })
  }
  return { changed: true, plan, needsReload: !reloads(host, options), repaired }
}

function reloads(host: Host, { reload = true }: TransactionOptions): boolean {
  return host.live && reload
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

async function writeModules(host: Host, changes: readonly PolicyChange[]): Promise<readonly string[]> {
  const files: string[] = []
  for (const change of changes) {
    if (change.action !== 'install') continue
    await host.replace(fileOf(change.name), change.text, { mode: 0o600 })
    files.push(fileOf(change.name))
  }
  return files
}

function fileOf(name: string): string {
  return `${workFolder}/${name}.cil`
}

interface Attempt extends TransactionOptions {
  /** When to give up waiting for others, in milliseconds since 1970. */
  readonly deadline: number
}

/** Old tools try for five seconds to get the store and fail, new ones wait for ever: neither is started while somebody has it. */
async function runSemodule(
  host: Host,
  type: string,
  changes: readonly PolicyChange[],
  attempt: Attempt,
): Promise<void> {
  const { store, lock } = storePaths(type)
  const words = semoduleWords(changes, (name) => host.path(fileOf(name)))
  const where = host.live ? [] : ['-p', host.root]
  const quiet = reloads(host, attempt) ? [] : ['-N']
  const semodule = [programOf(host, 'semodule', operation), ...where, ...quiet, '-s', type, ...words] as const
  const command = await inOurDomain(host, semodule)
  const users = attempt.hidden ?? new Set<string>()
  const hidden = users.size === 0 ? command : await hiding(host, command, { users, folder: workFolder })
  for (let holder: LockHolder | undefined; ;) {
    const found = await findHolder(host, lock, short(attempt))
    if (found === undefined && (await tryOnce(host, hidden, { store, changes, attempt, alone: hidden === command })))
      return
    holder = found ?? holder
    if (Date.now() >= attempt.deadline) {
      const who = holder === undefined ? 'somebody who is gone again' : `process ${holder.pid} (${holder.name})`
      throw new SelinuxError('SELINUX_LOCKED', { operation, target: store, detail: `${who} has it` })
    }
    await sleep(200, undefined, attempt.signal === undefined ? {} : { signal: attempt.signal })
  }
}

interface Try {
  readonly store: string
  readonly changes: readonly PolicyChange[]
  readonly attempt: Attempt
  /** Whether semodule is run as it is, so that its exit code is ours. */
  readonly alone: boolean
}

/** @returns false when somebody else has the store. */
async function tryOnce(host: Host, command: Command, { store, changes, attempt, alone }: Try): Promise<boolean> {
  const ours = changes.flatMap((change) => ('name' in change ? [change.name] : []))
  const failed = (cause: HostError) => {
    if (isLocked(cause.facts.stderr ?? '')) return false
    throw failureOf(cause, store, ours)
  }
  try {
    const { stdout, stderr } = await host.run(command, {
      touches: host.live ? 'machine' : 'files',
      timeout: attempt.timeout ?? 600_000,
      ...short(attempt),
    })
    if (alone || stdout.endsWith(endedWell)) return true
    return failed(new HostError('HOST_PROGRAM_FAILED', { operation: 'run semodule', stderr }))
  } catch (cause) {
    const ended = cause instanceof HostError && ['HOST_PROGRAM_FAILED', 'HOST_TIMEOUT'].includes(cause.code)
    if (!ended) throw cause
    return failed(cause)
  }
}

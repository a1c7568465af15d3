import type { EffectOptions, Facility, Host } from '@puppy/host'
import { SelinuxError } from './errors.ts'
import { probePolicy, type PolicyProbe } from './probe.ts'
import type { AppliedPolicy, PolicyChangeSet, PolicyResult } from './store/change.ts'
import { createCommitQueue } from './store/commit-queue.ts'
import { commit, rollback, unchanged, workFolder, type CommitOptions } from './store/commit.ts'
import { generationsFolders } from './store/generations.ts'
import { planPolicy } from './store/plan.ts'
import { readStore, readType, type ObservedPolicy } from './store/read-store.ts'
import type { PolicySpec } from './store/spec.ts'

export interface PolicyOptions {
  /** The name of the policy. Default: the one in `/etc/selinux/config`. */
  readonly type?: string
  /** Whether the installed policy is loaded into the kernel. Default true. Never loaded on a host that is only a folder. */
  readonly reload?: boolean
  /** Returns the users whose homes need no separate file contexts, such as tenants. See `openPolicy`. */
  readonly hidden?: () => Iterable<string> | Promise<Iterable<string>>
  /**
   * Returns a promise that the first call waits for when no transaction runs, so that other calls can share its transaction. Default: no
   * wait.
   */
  readonly gather?: (signal?: AbortSignal) => Promise<unknown>
  /** Ends a running transaction. The store is then as before, or the next transaction restores it. */
  readonly signal?: AbortSignal
}

/** Options of a call that changes the policy. `timeout` also applies to the transaction. */
export interface PolicyEffectOptions extends EffectOptions {
  /** Milliseconds to wait for another process that changes the policy. Default `timeout`. */
  readonly patience?: number
}

export interface ApplyOptions extends PolicyEffectOptions {
  /**
   * Checks the policy that was just loaded, for example with `inspect`. Returns a description of the problem, or undefined when the
   * policy works.
   *
   * A problem reverts the whole transaction, by a second transaction, before any other transaction begins. The check is not called when
   * nothing was changed or loaded. It must not change the policy.
   */
  readonly verify?: () => Promise<string | undefined>
}

/** The policy of a machine, or of a folder that is used as the root of a machine. */
export interface Policy extends Facility<PolicySpec, ObservedPolicy, PolicyChangeSet, PolicyResult, PolicyProbe> {
  /** Checks the kernel, the store and the tools. Does not need root. */
  probe(options?: EffectOptions): Promise<PolicyProbe>

  /**
   * Reads the store, and the kernel's values of the booleans in a spec. Starts no process.
   *
   * @throws SelinuxError `SELINUX_DISABLED`, `SELINUX_INVALID` for the type, `SELINUX_UNREADABLE`.
   */
  read(spec?: PolicySpec, options?: EffectOptions): Promise<ObservedPolicy>

  /** Plans the changes, as `planPolicy` does. */
  plan(spec: PolicySpec, observed: ObservedPolicy): PolicyChangeSet

  /**
   * Applies a change set in one transaction. Calls that arrive while a transaction runs share the next one. When a shared transaction is
   * refused, each call is tried alone, so no call fails because of a module of another call.
   *
   * An item that the policy refuses has its error in the results. The other items are committed.
   *
   * @throws SelinuxError `SELINUX_CHANGED` when the store has changed since it was read; otherwise the codes in `docs/errors.md`. The
   *   store is then as before.
   */
  apply(changeSet: PolicyChangeSet, options?: ApplyOptions): Promise<AppliedPolicy>

  /** Reads, plans and applies. When the policy already matches the spec, starts no process. */
  ensure(spec: PolicySpec, options?: ApplyOptions): Promise<AppliedPolicy>

  /**
   * Restores the modules and booleans that this library installed to their state before the last transaction of any process. Also works
   * after a reboot. A second call restores the newer state again. Either all items are restored or none. Changes by other programs stay.
   *
   * @throws SelinuxError `SELINUX_NO_PREVIOUS` when there is nothing to restore, or another program has changed the result of that
   *   transaction; otherwise as `apply`.
   */
  rollback(options?: PolicyEffectOptions): Promise<AppliedPolicy>

  /**
   * Removes the working folders of transactions, including the data that `rollback` needs. The policy does not change. Call it after you
   * have removed your modules permanently, while no other transaction runs.
   */
  forget(): Promise<void>
}

/** How many times `ensure` reads and plans while other processes change the items of its spec. */
const mostAttempts = 10

/**
 * Opens the policy of a host.
 *
 * Transactions hide the users of `hidden` from genhomedircon. Otherwise it writes 170 lines for each user that has a login in the policy.
 * With a thousand users every transaction takes half as long again, and restorecon(8) becomes slow for all users.
 *
 * @see semodule(8)
 */
export function openPolicy(host: Host, options: PolicyOptions = {}): Policy {
  const { type, reload, gather, signal } = options
  const loads = host.live && (reload ?? true)
  const typeOf = async () => type ?? (await readType(host))
  const commitOptions = async (given: CommitOptions): Promise<CommitOptions> => ({
    ...given,
    ...(reload === undefined ? {} : { reload }),
    ...signalsOf(signal, given.signal),
    hidden: new Set(await options.hidden?.()),
  })
  const queued = createCommitQueue({
    commit: async (changeSets, given) => commit(host, changeSets, await commitOptions(given)),
    ...(gather === undefined ? {} : { gather: () => gather(signal) }),
  })
  const read = async (spec: PolicySpec = {}) =>
    readStore(host, await typeOf(), loads ? Object.keys(spec.booleans ?? {}) : undefined)
  const apply = async (changeSet: PolicyChangeSet, given: ApplyOptions = {}) =>
    changeSet.changes.length === 0 ? unchanged(changeSet) : queued(changeSet, given)
  const policy: Policy = {
    probe: (given) => probePolicy(host, { ...given, ...(type === undefined ? {} : { type }) }),
    read,
    plan: planPolicy,
    apply,
    ensure: async (spec, given) => {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await apply(planPolicy(spec, await read(spec)), given)
        } catch (error) {
          const changed = error instanceof SelinuxError && error.code === 'SELINUX_CHANGED'
          if (!changed || attempt === mostAttempts) throw error
        }
      }
    },
    rollback: async (given = {}) => rollback(host, await typeOf(), await commitOptions(given)),
    forget: () => forget(host),
  }
  return Object.freeze(policy)
}

function signalsOf(...signals: readonly (AbortSignal | undefined)[]): Pick<EffectOptions, 'signal'> {
  const given = signals.filter((signal) => signal !== undefined)
  return given.length === 0 ? {} : { signal: AbortSignal.any(given) }
}

async function forget(host: Host): Promise<void> {
  const types = await host.list(generationsFolders)
  for (const folder of [...types.map((type) => `${generationsFolders}/${type}`), generationsFolders, workFolder]) {
    for (const file of await host.list(folder)) await host.remove(`${folder}/${file}`)
    await host.remove(folder)
  }
}

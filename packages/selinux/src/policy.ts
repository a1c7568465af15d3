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
  /** Which policy. Default the one of `/etc/selinux/config`. */
  readonly type?: string
  /** Whether the kernel gets what is installed. Default true. On a host that is only a folder it never does. */
  readonly reload?: boolean
  /** Users whose homes need no file contexts of their own: tenants. See `openPolicy`. */
  readonly hidden?: () => Iterable<string> | Promise<Iterable<string>>
  /** What the first caller waits for when no transaction runs, so that others can share its transaction. Default: nothing. */
  readonly gather?: (signal?: AbortSignal) => Promise<unknown>
  /** Ends a transaction that runs. The store is as before it, or is restored by the next one. */
  readonly signal?: AbortSignal
}

/** Options of a call that changes the policy. `timeout` is also that of the transaction. */
export interface PolicyEffectOptions extends EffectOptions {
  /** Milliseconds to wait for another process that changes the policy. Default `timeout`. */
  readonly patience?: number
}

export interface ApplyOptions extends PolicyEffectOptions {
  /**
   * Returns what is wrong with the policy that has just been loaded; undefined when it works. A complaint reverts the whole transaction, by a
   * second one, before any other begins. `inspect` is meant for it. It is not called when nothing was changed or loaded, and may not change the
   * policy itself.
   */
  readonly verify?: () => Promise<string | undefined>
}

/** The policy of a machine, or of a folder that stands for one. */
export interface Policy extends Facility<PolicySpec, ObservedPolicy, PolicyChangeSet, PolicyResult, PolicyProbe> {
  /** Finds out what works: the kernel, the store, the tools. Does not need root. */
  probe(options?: EffectOptions): Promise<PolicyProbe>

  /**
   * Reads what the store has, and the kernel's values of the booleans of a spec, without a process.
   *
   * @throws SelinuxError `SELINUX_DISABLED`, `SELINUX_INVALID` for the type, `SELINUX_UNREADABLE`.
   */
  read(spec?: PolicySpec, options?: EffectOptions): Promise<ObservedPolicy>

  /** `planPolicy`. */
  plan(spec: PolicySpec, observed: ObservedPolicy): PolicyChangeSet

  /**
   * Performs a change set in one transaction. Calls that come while one runs share the next. When a shared one is refused, each is tried alone, so
   * that no caller fails for another's module.
   *
   * An item that the policy does not take has its error in the results; the others are committed.
   *
   * @throws SelinuxError `SELINUX_CHANGED` when the store has changed since it was read; otherwise as in `docs/errors.md`, and the store is as
   *   before.
   */
  apply(changeSet: PolicyChangeSet, options?: ApplyOptions): Promise<AppliedPolicy>

  /** Reads, plans and applies. When the policy has all of the spec no process is started. */
  ensure(spec: PolicySpec, options?: ApplyOptions): Promise<AppliedPolicy>

  /**
   * Restores what the policy had of ours, modules and booleans, before the last transaction of any process; also after a reboot. A second call
   * goes forward again. All of it is restored or nothing. What other programs have changed stays.
   *
   * @throws SelinuxError `SELINUX_NO_PREVIOUS` when there is nothing to restore, or another program has changed what that transaction made;
   *   otherwise as `apply`.
   */
  rollback(options?: PolicyEffectOptions): Promise<AppliedPolicy>

  /**
   * Removes the folders that transactions work in, and with them what `rollback` needs. The policy stays as it is. For a caller that has removed
   * its modules for good: no other transaction may run.
   */
  forget(): Promise<void>
}

/** How often `ensure` reads again when other processes change what it is about. */
const mostAttempts = 10

/**
 * Opens the policy of a host.
 *
 * `hidden` names users whom transactions do not show to genhomedircon, which otherwise writes 170 lines for each that has a login in the
 * policy: a thousand users make every transaction half as long again, and restorecon(8) slow for all.
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

import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from '@puppy/host'
import { SelinuxError } from './errors.ts'
import { planModules, type PolicyPlan, type PolicyWish } from './store/modules.ts'
import { readStore, readType, type StoreObservation } from './store/observe.ts'
import { commit, type Committed, type TransactionOptions } from './store/transaction.ts'

export interface PolicyOptions {
  /** Which policy. Default the one of `/etc/selinux/config`. */
  readonly type?: string
  /** Whether the kernel gets what is installed. Default true; on a host that is only a folder it never does. */
  readonly reload?: boolean
  /** Users whose homes need no file contexts of their own: tenants. See `openPolicy`. */
  readonly hidden?: () => Iterable<string> | Promise<Iterable<string>>
  /** Milliseconds that the first caller waits for others to share its transaction. Default 0. */
  readonly gather?: number
  /** Ends a transaction that runs. The store is as before it, or is put back before the next one. */
  readonly signal?: AbortSignal
}

export type EnsureOptions = Pick<TransactionOptions, 'timeout' | 'patience'>

/** The policy of a machine, or of a folder that is taken for one. */
export interface Policy {
  /** Reads what the store has, without a process. @throws SelinuxError `SELINUX_DISABLED`, `SELINUX_INVALID`. */
  read(): Promise<StoreObservation>

  /** What `ensure` would change. @throws SelinuxError `SELINUX_DISABLED`, `SELINUX_INVALID`. */
  plan(wish: PolicyWish): Promise<PolicyPlan>

  /**
   * Makes the policy have these modules and not those.
   *
   * When it has, no process is started. Otherwise one transaction does all; callers that come while one runs share the next. When a
   * shared one is refused, each caller's part is tried alone, so that nobody fails for another's module.
   *
   * @throws SelinuxError see `docs/errors.md`; the store is as before.
   */
  ensure(wish: PolicyWish, options?: EnsureOptions): Promise<Committed>
}

interface Waiting {
  readonly wish: PolicyWish
  readonly options: EnsureOptions
  readonly settle: (result: Committed) => void
  readonly fail: (error: unknown) => void
}

/**
 * Opens the policy of a host.
 *
 * `hidden` names users whom transactions do not show to genhomedircon, which otherwise writes 170 lines for each that has a login in the
 * policy: a thousand make every transaction half as long again, and restorecon(8) slow for everybody.
 *
 * @see semodule(8)
 */
export function openPolicy(host: Host, options: PolicyOptions = {}): Policy {
  let waiting: Waiting[] = []
  let running = false
  const typeOf = async () => options.type ?? (await readType(host))
  const plan = async (wish: PolicyWish) => planModules(wish, await readStore(host, await typeOf()))

  async function run(wish: PolicyWish, given: EnsureOptions): Promise<Committed> {
    const hidden = new Set(await options.hidden?.())
    const reload = options.reload === undefined ? {} : { reload: options.reload }
    const signal = options.signal === undefined ? {} : { signal: options.signal }
    return commit(host, await typeOf(), wish, { ...given, ...reload, ...signal, hidden })
  }

  async function drain(): Promise<void> {
    if (running) return
    running = true
    // Whoever is told to end while it waits is told so by the transaction.
    if (options.gather !== undefined) await sleep(options.gather, undefined, { signal: options.signal }).catch(() => {})
    while (waiting.length > 0) {
      const [first, ...others] = waiting
      waiting = []
      await serve([first!, ...others])
    }
    running = false
  }

  async function serve(batch: readonly [Waiting, ...Waiting[]]): Promise<void> {
    try {
      const result = await run(merged(batch.map(({ wish }) => wish)), longest(batch))
      for (const { settle } of batch) settle(result)
    } catch (error) {
      const shared = batch.length > 1 && error instanceof SelinuxError && separable.includes(error.code)
      if (!shared) {
        for (const { fail } of batch) fail(error)
        return
      }
      for (const one of batch) await run(one.wish, one.options).then(one.settle, one.fail)
    }
  }

  return Object.freeze({
    read: async () => readStore(host, await typeOf()),
    plan,
    ensure: async (wish: PolicyWish, given: EnsureOptions = {}) => {
      const planned = await plan(wish)
      const seen = planned.changes.length === 0 && (await readStore(host, await typeOf()))
      if (seen !== false && !seen.interrupted) {
        return { changed: false, plan: planned, needsReload: false, repaired: false }
      }
      return new Promise<Committed>((settle, fail) => {
        waiting.push({ wish, options: given, settle, fail })
        void drain()
      })
    },
  })
}

/** What another's wish can be the cause of. */
const separable: readonly string[] = ['SELINUX_REFUSED', 'SELINUX_INVALID']

/** What comes later counts where two name the same module. */
function merged(wishes: readonly PolicyWish[]): PolicyWish {
  const modules = new Map<string, string>()
  const remove = new Set<string>()
  for (const wish of wishes) {
    for (const module of wish.remove ?? []) {
      modules.delete(module)
      remove.add(module)
    }
    for (const [module, text] of Object.entries(wish.modules ?? {})) {
      remove.delete(module)
      modules.set(module, text)
    }
  }
  return { modules: Object.fromEntries(modules), remove: [...remove] }
}

function longest(batch: readonly Waiting[]): EnsureOptions {
  const most = (key: keyof EnsureOptions) => {
    const given = batch.flatMap(({ options }) => options[key] ?? [])
    return given.length === 0 ? {} : { [key]: Math.max(...given) }
  }
  return { ...most('timeout'), ...most('patience') }
}

import type { Host } from '@puppy/host'
import { SelinuxError, type SelinuxErrorCode } from './errors.ts'
import { generationsFolders } from './store/generations.ts'
import { readStore, readType, type StoreObservation } from './store/observe.ts'
import { planPolicy, type BooleanWish, type PolicyPlan, type PolicyWish } from './store/plan.ts'
import {
  commit,
  defaultTimes,
  rollback,
  workFolder,
  type Committed,
  type TransactionOptions,
} from './store/transaction.ts'

export interface PolicyOptions {
  /** Which policy. Default the one of `/etc/selinux/config`. */
  readonly type?: string
  /** Whether the kernel gets what is installed. Default true; on a host that is only a folder it never does. */
  readonly reload?: boolean
  /** Users whose homes need no file contexts of their own: tenants. See `openPolicy`. */
  readonly hidden?: () => Iterable<string> | Promise<Iterable<string>>
  /** What a caller waits for when no transaction runs, so that others may share its own. Default: nothing. */
  readonly gather?: (signal?: AbortSignal) => Promise<unknown>
  /** Ends a transaction that runs. The store is as before it, or is put back before the next one. */
  readonly signal?: AbortSignal
}

export type TransactionTimes = Pick<TransactionOptions, 'timeout' | 'patience'>

export interface EnsureOptions extends TransactionTimes {
  /**
   * Looks whether the machine works with the policy that has just been loaded, and says what does not. Then all of the transaction is taken
   * back, which is a second one, before anybody else's begins. `inspect` is meant for it. It is not asked where nothing was changed or loaded,
   * and may not change the policy itself.
   */
  readonly verify?: () => Promise<string | undefined>
}

/** The policy of a machine, or of a folder that is taken for one. */
export interface Policy {
  /** Reads what the store has, without a process. @throws SelinuxError `SELINUX_DISABLED`, `SELINUX_INVALID`. */
  read(): Promise<StoreObservation>

  /** What `ensure` would change. @throws SelinuxError `SELINUX_DISABLED`, `SELINUX_INVALID`. */
  plan(wish: PolicyWish): Promise<PolicyPlan>

  /**
   * Makes the policy have these modules and not those, and booleans these values.
   *
   * When it has, no process is started. Otherwise one transaction does all; callers that come while one runs share the next. When a
   * shared one is refused, each caller's part is tried alone, so that nobody fails for another's module.
   *
   * @throws SelinuxError see `docs/errors.md`; the store is as before.
   */
  ensure(wish: PolicyWish, options?: EnsureOptions): Promise<Committed>

  /**
   * Goes back to what the policy had of ours, modules and booleans, before the last transaction, whoever of ours made it; also after a
   * reboot. A second one goes forward again. What others have changed stays.
   *
   * @throws SelinuxError `SELINUX_NO_PREVIOUS` when there is nothing to go back to, or somebody has changed since what it made; otherwise as
   *   `ensure`.
   */
  rollback(options?: TransactionTimes): Promise<Committed>

  /**
   * Removes the folders that transactions work in and the way back; the policy stays as it is. For who has removed its modules and does not
   * come back: nobody else's transaction may run.
   */
  forget(): Promise<void>
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
  const loads = host.live && (options.reload ?? true)
  const look = async (wish: PolicyWish) =>
    readStore(host, await typeOf(), loads ? Object.keys(wish.booleans ?? {}) : undefined)
  const transaction = async ({ timeout, patience, verify }: EnsureOptions): Promise<TransactionOptions> => ({
    ...(timeout === undefined ? {} : { timeout }),
    ...(patience === undefined ? {} : { patience }),
    ...(verify === undefined ? {} : { verify }),
    ...(options.reload === undefined ? {} : { reload: options.reload }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    hidden: new Set(await options.hidden?.()),
  })
  const run = async (wish: PolicyWish, given: EnsureOptions) =>
    commit(host, await typeOf(), wish, await transaction(given))

  async function drain(): Promise<void> {
    if (running) return
    running = true
    // A wait that fails is over, too.
    await options.gather?.(options.signal).catch(() => {})
    while (waiting.length > 0) {
      const [first, ...others] = waiting
      waiting = []
      await serve([first!, ...others])
    }
    running = false
  }

  async function serve(batch: readonly [Waiting, ...Waiting[]]): Promise<void> {
    try {
      const result = await run(merged(batch.map(({ wish }) => wish)), together(batch))
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
    plan: async (wish: PolicyWish) => planPolicy(wish, await look(wish)),
    rollback: async (times: TransactionTimes = {}) => rollback(host, await typeOf(), await transaction(times)),
    forget: async () => {
      const types = await host.list(generationsFolders)
      for (const folder of [...types.map((type) => `${generationsFolders}/${type}`), generationsFolders, workFolder]) {
        for (const file of await host.list(folder)) await host.remove(`${folder}/${file}`)
        await host.remove(folder)
      }
    },
    ensure: async (wish: PolicyWish, given: EnsureOptions = {}) => {
      const seen = await look(wish)
      const plan = planPolicy(wish, seen)
      if (plan.changes.length === 0 && !seen.interrupted) {
        return { changed: false, plan, needsReload: false, repaired: false }
      }
      return new Promise<Committed>((settle, fail) => {
        waiting.push({ wish, options: given, settle, fail })
        void drain()
      })
    },
  })
}

/** What another's wish can be the cause of. */
const separable: readonly SelinuxErrorCode[] = [
  'SELINUX_INVALID',
  'SELINUX_MISMATCH',
  'SELINUX_NOT_INSTALLED',
  'SELINUX_REFUSED',
  'SELINUX_ROLLED_BACK',
]

/** What comes later counts where two name the same. */
function merged(wishes: readonly PolicyWish[]): PolicyWish {
  const modules = new Map<string, string>()
  const remove = new Set<string>()
  const booleans: Record<string, BooleanWish> = {}
  for (const wish of wishes) {
    Object.assign(booleans, wish.booleans)
    for (const module of wish.remove ?? []) {
      modules.delete(module)
      remove.add(module)
    }
    for (const [module, text] of Object.entries(wish.modules ?? {})) {
      remove.delete(module)
      modules.set(module, text)
    }
  }
  const dontaudit = wishes.findLast((wish) => wish.dontaudit !== undefined)?.dontaudit
  return {
    modules: Object.fromEntries(modules),
    remove: [...remove],
    booleans,
    ...(dontaudit === undefined ? {} : { dontaudit }),
  }
}

/** The most time that one of them gives, and everybody's doubts. */
function together(batch: readonly Waiting[]): EnsureOptions {
  const most = (key: keyof typeof defaultTimes) =>
    Math.max(...batch.map(({ options }) => options[key] ?? defaultTimes[key]))
  const verify = async () => {
    for (const { options } of batch) {
      const complaint = await options.verify?.()
      if (complaint !== undefined) return complaint
    }
    return undefined
  }
  return { timeout: most('timeout'), patience: most('patience'), verify }
}

import type { Host } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { openPolicy, planPolicy, type AppliedPolicy, type ObservedPolicy, type Policy } from '@puppy/selinux'

/** A policy in memory that plans like the real one. */
export interface FakePolicy extends Policy {
  readonly modules: Map<string, string>
  /** The number of transactions. */
  transactions: number
  /** What a transaction waits for. If it throws, the transaction fails with its error. */
  behind: (() => unknown) | undefined
  /** Whether `forget` was called. */
  forgotten: boolean
  /** The error that `read` throws. */
  unreadable: Error | undefined
}

const empty: ObservedPolicy = {
  type: 'default',
  modules: [],
  disabled: [],
  booleans: {},
  dontaudit: 'silent',
  empty: [],
  interrupted: false,
}

/** Creates a fake policy. @param host whose SELinux `probe` reads */
export function createFakePolicy(host: Host = createFakeHost()): FakePolicy {
  const apply: Policy['apply'] = async ({ changes, refused }) => {
    const results = [...new Set(changes.map(({ target }) => target))].map((target) => ({ target, changed: true }))
    const applied: AppliedPolicy = {
      changed: changes.length > 0,
      changes,
      results: [...results, ...refused.map((one) => ({ ...one, changed: false }))],
      needsReload: false,
    }
    if (changes.length === 0) return applied
    policy.transactions += 1
    await policy.behind?.()
    for (const change of changes) {
      if (change.action === 'remove') policy.modules.delete(change.module)
      if (change.action === 'install') policy.modules.set(change.module, change.text)
    }
    return applied
  }
  const policy: FakePolicy = {
    modules: new Map(),
    transactions: 0,
    behind: undefined,
    unreadable: undefined,
    forgotten: false,
    probe: (options) => openPolicy(host).probe(options),
    read: async () => {
      if (policy.unreadable !== undefined) throw policy.unreadable
      const { changes } = planPolicy({ modules: Object.fromEntries(policy.modules) }, empty)
      return { ...empty, modules: changes.flatMap((change) => ('name' in change ? [change.name] : [])) }
    },
    plan: planPolicy,
    apply,
    ensure: async (spec, options) => apply(planPolicy(spec, await policy.read(spec)), options),
    rollback: () => Promise.reject(new Error('no test rolls back here')),
    forget: async () => {
      policy.forgotten = true
    },
  }
  return policy
}

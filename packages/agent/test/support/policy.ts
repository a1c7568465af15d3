import type { Host } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { openPolicy, planPolicy, type AppliedPolicy, type ObservedPolicy, type Policy } from '@puppy/selinux'

/** A policy in memory. It plans as the real one does. */
export interface FakePolicy extends Policy {
  readonly modules: Map<string, string>
  /** How many transactions there were. */
  transactions: number
  /** What a transaction waits for. It fails with what this throws. */
  behind: (() => unknown) | undefined
  /** Whether what transactions leave beside it was removed. */
  forgotten: boolean
  /** What reading it throws. */
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

/** @param host whose SELinux `probe` looks at */
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

import type { Policy } from '@puppy/selinux'

/** A policy in memory. */
export interface FakePolicy extends Policy {
  readonly modules: Map<string, string>
  /** How many transactions there were. */
  transactions: number
  /** What a transaction waits for; it fails with what this throws. */
  behind: (() => unknown) | undefined
  /** Whether what transactions leave beside it was removed. */
  forgotten: boolean
  /** What looking at it throws. */
  unreadable: Error | undefined
}

export function createFakePolicy(): FakePolicy {
  const policy: FakePolicy = {
    modules: new Map(),
    transactions: 0,
    behind: undefined,
    unreadable: undefined,
    read: () => Promise.reject(new Error('nobody reads it here')),
    forgotten: false,
    forget: async () => {
      policy.forgotten = true
    },
    rollback: () => Promise.reject(new Error('nobody goes back here')),
    plan: async ({ modules = {}, remove = [] }) => {
      if (policy.unreadable !== undefined) throw policy.unreadable
      const there = Object.entries(modules).flatMap(([module, text]) =>
        policy.modules.get(module) === text ? [] : [{ action: 'install', module, name: module, text } as const],
      )
      const gone = remove.flatMap((module) =>
        policy.modules.has(module) ? [{ action: 'remove', module, name: module } as const] : [],
      )
      return { changes: [...gone, ...there] }
    },
    ensure: async (wish) => {
      const plan = await policy.plan(wish)
      if (plan.changes.length === 0) return { changed: false, plan, needsReload: false, repaired: false }
      policy.transactions += 1
      await policy.behind?.()
      for (const module of wish.remove ?? []) policy.modules.delete(module)
      for (const [module, text] of Object.entries(wish.modules ?? {})) policy.modules.set(module, text)
      return { changed: true, plan, needsReload: false, repaired: false }
    },
  }
  return policy
}

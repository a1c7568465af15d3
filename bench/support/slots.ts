import { renderTenantPolicy, renderTenantSlots, type TenantSlot } from '../../packages/selinux/src/cil/index.ts'
import type { Policy, PolicySpec } from '../../packages/selinux/src/index.ts'
import { pairAt } from '../../packages/selinux/src/level.ts'

/** The ports of all slots. */
export const tenants = { ports: { first: 10_240, last: 32_767 } }

/** Slots as they are by default, each with eight ports. */
export function slotsOf(many: number, from = 0): readonly TenantSlot[] {
  return Array.from({ length: many }, (_, at) => {
    const n = from + at
    const ports = { first: 10_240 + 8 * n, last: 10_247 + 8 * n }
    return { login: `p${10_000 + n}`, uid: 10_000 + n, level: pairAt(n), ports }
  })
}

/** The policy of so many slots. */
export function specOf(many: number) {
  return {
    modules: { puppy_tenants: renderTenantPolicy(tenants), puppy_slots: renderTenantSlots(tenants, slotsOf(many)) },
  }
}

/** Makes a policy have a spec. @throws the error of an item that failed: a measurement of it would mean nothing. */
export async function ensured(policy: Policy, spec: PolicySpec): Promise<void> {
  for (const { error } of (await policy.ensure(spec)).results) if (error !== undefined) throw error
}

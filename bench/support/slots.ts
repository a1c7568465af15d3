import { renderTenantPolicy, renderTenantSlots, type TenantSlot } from '../../packages/selinux/src/cil/index.ts'
import type { Policy, PolicySpec } from '../../packages/selinux/src/index.ts'
import { pairAt } from '../../packages/selinux/src/level.ts'

/** The port range of all slots. */
export const tenants = { ports: { first: 10_240, last: 32_767 } }

/** Returns slots with the default layout: eight ports each. */
export function slotsOf(many: number, from = 0): readonly TenantSlot[] {
  return Array.from({ length: many }, (_, at) => {
    const n = from + at
    const ports = { first: 10_240 + 8 * n, last: 10_247 + 8 * n }
    return { login: `p${10_000 + n}`, uid: 10_000 + n, level: pairAt(n), ports }
  })
}

/** Returns the spec of a policy with this many slots. */
export function specOf(many: number) {
  return {
    modules: { puppy_tenants: renderTenantPolicy(tenants), puppy_slots: renderTenantSlots(tenants, slotsOf(many)) },
  }
}

/** Ensures a spec in a policy. @throws the error of the first failed item, because a measurement of it would be invalid */
export async function ensured(policy: Policy, spec: PolicySpec): Promise<void> {
  for (const { error } of (await policy.ensure(spec)).results) if (error !== undefined) throw error
}

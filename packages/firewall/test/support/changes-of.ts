import type { Firewall, FirewallChange, FirewallSpec } from '../../src/index.ts'

/** Returns what `ensure` would change now. */
export async function changesOf(firewall: Firewall, spec: FirewallSpec): Promise<readonly FirewallChange[]> {
  return firewall.plan(spec, await firewall.read(spec)).changes
}

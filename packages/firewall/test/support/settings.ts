import type { FirewallSpec } from '../../src/index.ts'

export const [alice, bob, carol, dave, proxy, api, person] = [10_000, 10_001, 10_002, 10_003, 990, 991, 1000] as const

/** Four tenants with eight ports each from 10240; one of each policy. */
export const settings: FirewallSpec = {
  slots: [alice, bob, carol, dave].map((uid, n) => ({ uid, firstPort: 10_240 + n * 8, lastPort: 10_247 + n * 8 })),
  tenantUids: { first: 10_000, last: 12_815 },
  callers: [0, proxy],
  guards: [
    { name: 'api', port: 8420, uids: [api] },
    { name: 'proxy', port: 8080, uids: [0, proxy] },
  ],
  egress: [
    { uid: bob, policy: 'open' },
    { uid: carol, policy: 'client' },
    { uid: dave, policy: 'local' },
  ],
}

/** So many tenants with so many ports each. */
export function crowd(tenants: number, portsEach = 8): FirewallSpec {
  return {
    ...settings,
    egress: [],
    tenantUids: { first: 10_000, last: 10_000 + Math.max(2815, tenants - 1) },
    slots: Array.from({ length: tenants }, (_, n) => ({
      uid: 10_000 + n,
      firstPort: 10_240 + n * portsEach,
      lastPort: 10_240 + n * portsEach + portsEach - 1,
    })),
  }
}

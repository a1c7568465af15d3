import type { Limits, SliceSpec } from '../../src/index.ts'

/** The tenants of the reboot test. Only the second one has a session before the reboot. */
export const uids = [10_951, 10_952] as const
export const options = { runFolder: '/run/puppy-cgroups-live' }

export const limits: Limits = {
  cpu: { max: 0.3, weight: 50 },
  memory: { high: 100 * 1024 ** 2, max: 120 * 1024 ** 2, swapMax: 0 },
  pids: { max: 45 },
}
/** The texts of the kernel's files with these limits. */
export const inForce = {
  'cpu.max': '30000 100000',
  'cpu.weight': '50',
  'memory.high': String(100 * 1024 ** 2),
  'memory.max': String(120 * 1024 ** 2),
  'memory.swap.max': '0',
  'pids.max': '45',
}

export const spec: readonly SliceSpec[] = uids.map((uid) => ({
  slice: `user-${uid}.slice`,
  limits,
  portRules: { allow: [{ first: 20_001, last: 20_004 }] },
}))

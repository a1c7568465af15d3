export { faultsOf } from './limits/check.ts'
export type { LimitFault } from './limits/check.ts'
export type { LimitKind, LimitKindName, LimitSchema, LimitValue } from './limits/kinds.ts'
export { faultOfValue } from './limits/kinds.ts'
export type {
  CpuLimits,
  CpusetLimits,
  DeviceLimits,
  IoLimits,
  Limit,
  Limits,
  MemoryLimits,
  PidsLimits,
} from './limits/limits.ts'
export { limitsWith, limitTable } from './limits/table.ts'
export type { LimitName, LimitRow } from './limits/table.ts'

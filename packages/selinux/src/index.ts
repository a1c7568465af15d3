export { parseContext, renderContext, sameContext } from './context.ts'
export type { Context } from './context.ts'
export { SelinuxError } from './errors.ts'
export type { SelinuxErrorCode, SelinuxErrorFacts } from './errors.ts'
export {
  dominates,
  intersect,
  pairAt,
  pairCount,
  pairNumber,
  parseLevel,
  parseRange,
  renderLevel,
  renderRange,
  sameLevel,
} from './level.ts'
export type { Level, LevelRange, PairOptions } from './level.ts'
export { readState } from './state.ts'
export type { DisabledState, EnabledState, SelinuxMode, SelinuxState } from './state.ts'
export { renderRecords } from './cil/records.ts'
export type { FileRecord, LoginRecord, PortProtocol, PortRecord, Records, UserRecord } from './cil/records.ts'
export { renderTenantPolicy, renderTenantSlots } from './cil/tenants.ts'
export type { TenantPolicy, TenantSlot } from './cil/tenants.ts'
export { openPolicy } from './policy.ts'
export type { EnsureOptions, Policy, PolicyOptions, TransactionTimes } from './policy.ts'
export { readBooleans } from './store/booleans.ts'
export { moduleName, moduleOf } from './store/modules.ts'
export { planPolicy } from './store/plan.ts'
export type { BooleanWish, Dontaudit, PolicyChange, PolicyPlan, PolicyWish } from './store/plan.ts'
export type { StoreObservation } from './store/observe.ts'
export type { Committed } from './store/transaction.ts'
export type { EffectOptions } from './program.ts'
export { parseDenial } from './denials/denial.ts'
export type { Denial } from './denials/denial.ts'
export { followDenials } from './denials/follow.ts'
export type { FollowOptions } from './denials/follow.ts'
export { readDenials } from './denials/read.ts'
export type { DenialOptions } from './denials/read.ts'
export { groupDenials } from './denials/report.ts'
export type { DenialGroup } from './denials/report.ts'
export { suggest } from './denials/suggest.ts'
export type { Suggestion } from './denials/suggest.ts'
export { inspect } from './doctor.ts'
export type { Check, Finding, InspectOptions, Tenant } from './doctor.ts'
export { decide } from './kernel.ts'
export type { Decision, Question } from './kernel.ts'
export { readLabels, relabel } from './labels.ts'
export type { Label, RelabelOptions, RelabelWish } from './labels.ts'

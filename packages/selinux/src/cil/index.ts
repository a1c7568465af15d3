export { renderRecords } from './records.ts'
export type { FileRecord, LoginRecord, PortProtocol, PortRecord, Records, UserRecord } from './records.ts'
export { renderTenantPolicy, renderTenantSlots } from './tenants.ts'
export type { TenantPolicy, TenantSlot } from './tenants.ts'

export { whyNoCertificate } from './config/certificates.ts'
export type { Certificate, RefusedCertificate } from './config/certificates.ts'
export type { EnsuredConfig } from './config/ensure.ts'
export { configDescription, renderConfig } from './config/render.ts'
export type { ConfigFacts } from './config/render.ts'
export { whyNoDomain } from './domain.ts'
export {
  encodeCliPayload,
  encodeCliWord,
  encodeCrtListRow,
  encodeLogFormat,
  encodeMapRow,
  encodeWord,
  maxPayload,
} from './encode.ts'
export { HaproxyError } from './errors.ts'
export type { HaproxyErrorCode, HaproxyErrorFacts } from './errors.ts'
export { openHaproxy } from './haproxy.ts'
export type { Haproxy, Probe } from './haproxy.ts'
export type { EnsuredRunning } from './lifecycle/start.ts'
export { renderUnit } from './lifecycle/unit.ts'
export type { UnitFacts } from './lifecycle/unit.ts'
export type { MapRow } from './routes/file.ts'
export { planRoutes } from './routes/plan.ts'
export type { RouteChange } from './routes/plan.ts'
export type { AppliedRoutes, ApplyOptions, RouteResult } from './routes/store.ts'
export { checkRoutes } from './routes/table.ts'
export type {
  CheckedRoutes,
  ObservedRoutes,
  PortRange,
  RefusedRoute,
  Route,
  RouteRows,
  RouteTable,
} from './routes/table.ts'
export type { Reply } from './runtime/reply.ts'
export { openRuntime } from './runtime/socket.ts'
export type { CommandOptions, Runtime, RuntimeOptions } from './runtime/socket.ts'
export type { ClearedUsage, TenantUsage } from './runtime/usage.ts'
export { maxSocketPath } from './settings.ts'
export type { ProxySettings } from './settings.ts'

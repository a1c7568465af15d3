/** Renderers of HAProxy's files and their encoders: `@puppy/haproxy/render`. Each is pure. */
export { findCertificateFault } from './config/certificates.ts'
export { configDescription, renderConfig } from './config/render.ts'
export type { ConfigFacts } from './config/render.ts'
export { encodeCrtListRow, encodeLogFormat, encodeMapRow, encodeWord } from './encode.ts'
export { renderUnit } from './lifecycle/unit.ts'
export type { UnitFacts } from './lifecycle/unit.ts'
export { renderMapFile } from './routes/map-file.ts'
export { maxSocketPath } from './settings.ts'

/** A client for the runtime socket of any HAProxy, with its encoders: `@puppy/haproxy/runtime`. */
export { encodeCliPayload, encodeCliWord, maxPayload } from '../encode.ts'
export type { Reply } from './reply.ts'
export { openRuntime } from './socket.ts'
export type { CommandOptions, Runtime } from './socket.ts'

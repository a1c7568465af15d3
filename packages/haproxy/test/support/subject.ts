import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import type { Host } from '@puppy/host'
import { withEffects, type Subject } from '@puppy/host/conformance'
import type { ConfigChangeSet, ConfigResult, ObservedConfig } from '../../src/config/plan.ts'
import { openHaproxy } from '../../src/haproxy.ts'
import type { RouteResult } from '../../src/routes/apply.ts'
import type { RouteChangeSet } from '../../src/routes/plan.ts'
import type { ObservedRoutes } from '../../src/routes/read.ts'
import type { RouteSpec } from '../../src/routes/spec.ts'
import { openRuntime, type Runtime } from '../../src/runtime/socket.ts'
import type { ConfigSpec, ProxyLocation } from '../../src/settings.ts'
import { range } from './proxy.ts'

/** Where one world of the conformance suite is. */
export interface Place {
  readonly host: Host
  readonly location: ProxyLocation
  readonly port: number
  readonly base: string
  close(): Promise<void>
}

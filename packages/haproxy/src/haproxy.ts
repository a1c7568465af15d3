import type { EffectOptions, Host } from '@puppy/host'
import { readBundle } from './config/bundle.ts'
import { removeStaged } from './config/check.ts'
import { keepGood, removeFiles } from './config/files.ts'
import { configDescription } from './config/render.ts'
import { createContext, makeFolders, withSpec, type LocationContext, type ProxyContext } from './context.ts'
import { isHaproxyError } from './errors.ts'
import { configFacility, routeFacility, type ConfigFacility, type RouteFacility } from './facility.ts'
import { startHaproxy } from './lifecycle/start.ts'
import { stop } from './lifecycle/stop.ts'
import { findService, removeService } from './lifecycle/systemd.ts'
import { awaitWorker, createAlive, findMaster } from './lifecycle/worker.ts'
import { ensureMapFiles } from './routes/apply.ts'
import type { WorkerInfo } from './runtime/info.ts'
import type { Runtime } from './runtime/socket.ts'
import { clearUsage, readUsage, type ClearedUsage, type TenantUsage } from './runtime/usage.ts'
import type { ConfigSpec, ProxyLocation } from './settings.ts'

/** The result of `ensureRunning`. */
export interface EnsuredRunning {
  /** False when HAProxy was already running. */
  readonly started: boolean
  /** The process id of the master. */
  readonly pid: number
}

/** Options of `openHaproxy`. */
export interface HaproxyOptions {
  /** The client of the runtime socket. Default: a new client. Tests pass their own to count commands or to make them fail. */
  readonly runtime?: Runtime
}

/** One HAProxy instance: its configuration, its process and its tenants. */
export interface Haproxy {
  /** The configuration and the process. `ensure` checks and installs the configuration, then starts or reloads HAProxy. */
  readonly config: ConfigFacility
  /** The routes and the suspensions of tenants. */
  readonly routes: RouteFacility
  /**
   * Adopts the running HAProxy, or starts it with the installed configuration, which is neither rendered nor checked again. Use it when
   * HAProxy has died. Without an installed configuration, calls `config.ensure`.
   *
   * @throws HaproxyError `HAPROXY_ADDRESS_IN_USE`, `HAPROXY_START_FAILED`, `HAPROXY_NOT_INSTALLED`, `HAPROXY_TIMEOUT`
   */
  ensureRunning(spec: ConfigSpec, options?: EffectOptions): Promise<EnsuredRunning>
  /** Returns whether the master is alive. Reads at most two small files and runs no program, so it may be called several times a second. */
  alive(): Promise<boolean>
  /** Returns the usage of every tenant, ordered by slot. Empty when HAProxy does not run. @throws HaproxyError as `Runtime.send` */
  usage(options?: EffectOptions): Promise<readonly TenantUsage[]>
  /** Removes the counters of slots that get a new tenant. @throws HaproxyError as `Runtime.send` */
  clearUsage(slots: readonly number[], options?: EffectOptions): Promise<readonly ClearedUsage[]>
  /** Ends HAProxy and removes the pid file and the sockets. @throws HaproxyError `HAPROXY_STOP_FAILED` */
  stop(options?: EffectOptions): Promise<void>
  /** Stops HAProxy and deletes every file that this package wrote, including the systemd unit. Keeps the certificates. */
  remove(options?: EffectOptions): Promise<void>
}

/**
 * Opens the HAProxy instance at this location. Touches nothing.
 *
 * Concurrent calls do not wait for each other. A caller that makes several at a time must hold its own lock.
 *
 * @throws HaproxyError `HAPROXY_SETTINGS_INVALID`
 */
export function openHaproxy(host: Host, location: ProxyLocation, options: HaproxyOptions = {}): Haproxy {
  const context = createContext(host, location, options.runtime)
  const config = configFacility(context)
  return Object.freeze<Haproxy>({
    config,
    routes: routeFacility(context),
    ensureRunning: (spec, effect) => ensureRunning(withSpec(context, spec), config, effect),
    alive: createAlive(context),
    usage: (effect) => readUsageOrNone(context, effect),
    clearUsage: (slots, effect) => clearUsage(context.runtime, slots, effect),
    stop: (effect) => stop(context, effect),
    remove: (effect) => remove(context, effect),
  })
}

async function ensureRunning(
  context: ProxyContext,
  config: ConfigFacility,
  options: EffectOptions = {},
): Promise<EnsuredRunning> {
  const running = await findMaster(context)
  const worker = running === undefined ? undefined : await awaitWorker(context, options)
  if (running !== undefined && worker !== undefined) {
    await keepRunning(context, worker)
    return { started: false, pid: running }
  }
  if ((await readBundle(context)) === undefined) {
    await config.ensure(context.settings, options)
    const pid = await findMaster(context)
    if (pid !== undefined) return { started: true, pid }
  }
  await makeFolders(context)
  await ensureMapFiles(context)
  const started = await startHaproxy(context, options)
  await keepRunning(context, started.worker)
  return { started: true, pid: started.pid }
}

/** Copies the installed files when the worker runs with them. */
async function keepRunning(context: ProxyContext, { description }: WorkerInfo): Promise<void> {
  const installed = await readBundle(context)
  if (installed !== undefined && configDescription(installed.config) === description) await keepGood(context, installed)
}

async function readUsageOrNone({ runtime }: LocationContext, options?: EffectOptions): Promise<readonly TenantUsage[]> {
  try {
    return await readUsage(runtime, options)
  } catch (error) {
    if (isHaproxyError(error, 'HAPROXY_NOT_RUNNING')) return []
    throw error
  }
}

async function remove(context: LocationContext, options: EffectOptions = {}): Promise<void> {
  await stop(context, options)
  const service = await findService(context)
  if (service !== undefined) await removeService(context, service, options)
  await removeStaged(context)
  await removeFiles(context)
}

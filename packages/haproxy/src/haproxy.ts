import { HostError, type Host } from '@puppy/host'
import { ensureConfig, planConfig, type EnsuredConfig } from './config/ensure.ts'
import { createContext, haproxyProgram, type ProxyContext } from './context.ts'
import { HaproxyError } from './errors.ts'
import { ensureRunning, planRunning, type EnsuredRunning } from './lifecycle/start.ts'
import { remove, stop } from './lifecycle/stop.ts'
import { readMaster } from './lifecycle/worker.ts'
import type { RouteChange } from './routes/plan.ts'
import { applyRoutes, readRoutes, type AppliedRoutes, type ApplyOptions, type RouteStore } from './routes/store.ts'
import type { ObservedRoutes, RouteTable } from './routes/table.ts'
import { isHaproxyError } from './errors.ts'
import type { RuntimeOptions } from './runtime/socket.ts'
import { clearUsage, readUsage, type ClearedUsage, type TenantUsage } from './runtime/usage.ts'
import type { ProxySettings } from './settings.ts'
import { isSupported, oldestVersion, parseVersion } from './version.ts'

/** Whether a HAProxy that we can use is installed. */
export interface Probe {
  readonly works: boolean
  readonly version?: string
  /** Why it does not work, and what would help. */
  readonly reason?: string
  readonly remedy?: string
}

/** One HAProxy of ours: its configuration, its process and its tenants. */
export interface Haproxy {
  /** Looks whether the program is there, is 2.6 or newer, and speaks TLS. Runs `haproxy -vv`. */
  probe(options?: RuntimeOptions): Promise<Probe>
  /** Reads both maps from disk and from the running worker. @throws HaproxyError as `Runtime.send` */
  readRoutes(options?: RuntimeOptions): Promise<ObservedRoutes>
  /** Applies a table to disk and worker, each row with its own result. @throws HaproxyError as `Runtime.send` */
  applyRoutes(wanted: RouteTable, options?: ApplyOptions): Promise<AppliedRoutes>
  /** Reads, and applies what differs: when nothing does, no file is touched and no writing command is sent. */
  ensureRoutes(wanted: RouteTable, options?: RuntimeOptions): Promise<AppliedRoutes>
  /** Makes the configuration the wanted one, and reloads if it runs with another. See `EnsuredConfig`. */
  ensureConfig(options?: RuntimeOptions): Promise<EnsuredConfig>
  /** What `ensureConfig` would change; `target` is a file or `process` for a reload. Writes nothing. */
  planConfig(options?: RuntimeOptions): Promise<readonly RouteChange[]>
  /** Adopts the running HAProxy or starts it. @throws HaproxyError `HAPROXY_ADDRESS_IN_USE`, `HAPROXY_START_FAILED` */
  ensureRunning(options?: RuntimeOptions): Promise<EnsuredRunning>
  /** What `ensureRunning` would run. Writes nothing. */
  planRunning(): Promise<readonly RouteChange[]>
  /** Whether the master lives. Reads two small files and runs nothing, so it may be asked several times a second. */
  alive(): Promise<boolean>
  /** What every tenant has used, by slot; nothing when it does not run. @throws HaproxyError as `Runtime.send` */
  usage(options?: RuntimeOptions): Promise<readonly TenantUsage[]>
  /** Removes the counters of slots that change hands. @throws HaproxyError as `Runtime.send` */
  clearUsage(slots: readonly number[], options?: RuntimeOptions): Promise<readonly ClearedUsage[]>
  /** Ends it and removes pid file and sockets. @throws HaproxyError `HAPROXY_STOP_FAILED` */
  stop(options?: RuntimeOptions): Promise<void>
  /** Stops it and deletes every file of ours, the systemd unit included. The certificates stay. */
  remove(options?: RuntimeOptions): Promise<void>
}

/**
 * Opens the HAProxy of these settings on a host. Touches nothing yet.
 *
 * Calls are not excluded from each other: whoever has several of them at work holds a lock.
 *
 * @throws HaproxyError `HAPROXY_SETTINGS_INVALID`
 */
export function openHaproxy(host: Host, settings: ProxySettings): Haproxy {
  const context = createContext(host, settings)
  const store: RouteStore = { host, files: context.files, runtime: context.runtime, range: settings }
  return Object.freeze({
    probe: (options?: RuntimeOptions) => probe(context, options),
    readRoutes: (options?: RuntimeOptions) => readRoutes(store, options),
    applyRoutes: (wanted: RouteTable, options?: ApplyOptions) => applyRoutes(store, wanted, options),
    ensureRoutes: (wanted: RouteTable, options?: RuntimeOptions) => applyRoutes(store, wanted, options),
    ensureConfig: (options?: RuntimeOptions) => ensureConfig(context, options),
    planConfig: (options?: RuntimeOptions) => planConfig(context, options),
    ensureRunning: (options?: RuntimeOptions) => ensureRunning(context, options),
    planRunning: () => planRunning(context),
    alive: async () => (await readMaster(context)) !== undefined,
    usage: (options?: RuntimeOptions) => readUsageOrNone(context, options),
    clearUsage: (slots: readonly number[], options?: RuntimeOptions) => clearUsage(context.runtime, slots, options),
    stop: (options?: RuntimeOptions) => stop(context, options),
    remove: (options?: RuntimeOptions) => remove(context, options),
  })
}

async function readUsageOrNone({ runtime }: ProxyContext, options?: RuntimeOptions): Promise<readonly TenantUsage[]> {
  try {
    return await readUsage(runtime, options)
  } catch (error) {
    if (isHaproxyError(error, 'HAPROXY_NOT_RUNNING')) return []
    throw error
  }
}

async function probe({ host }: ProxyContext, options: RuntimeOptions = {}): Promise<Probe> {
  try {
    const { stdout } = await host.run([haproxyProgram(host), '-vv'], { ...options, touches: 'nothing' })
    return judgeVersion(stdout)
  } catch (error) {
    if (!(error instanceof HostError) && !(error instanceof HaproxyError)) throw error
    return { works: false, reason: error.message, remedy: 'install the package haproxy' }
  }
}

/** Judges the output of `haproxy -vv`. Pure. */
export function judgeVersion(output: string): Probe {
  const version = parseVersion(output)
  const remedy = `install HAProxy ${oldestVersion.major}.${oldestVersion.minor} or newer`
  if (version === undefined) return { works: false, reason: 'the program haproxy says no version', remedy }
  if (!isSupported(version)) return { works: false, version: version.text, reason: 'it is too old', remedy }
  if (version.openssl) return { works: true, version: version.text }
  return { works: false, version: version.text, reason: 'it was built without OpenSSL', remedy }
}

import { makeFolders, type ProxyContext } from '../context.ts'
import { reload, reviveListeners } from '../lifecycle/reload.ts'
import type { RouteChange } from '../routes/plan.ts'
import { ensureMapFiles } from '../routes/store.ts'
import type { RuntimeOptions } from '../runtime/socket.ts'
import { readWorker } from '../lifecycle/worker.ts'
import { readBundle, renderBundle, sameBundle, type Bundle } from './bundle.ts'
import type { RefusedCertificate } from './certificates.ts'
import { checkBundle } from './check.ts'
import { configDescription } from './render.ts'
import { installBundle, keepGood, readGood } from './store.ts'

/** What `ensureConfig` did. */
export interface EnsuredConfig {
  /** Whether a file was written. */
  readonly changed: boolean
  readonly reloaded: boolean
  /** Certificates that were left out so that the others are served. */
  readonly refused: readonly RefusedCertificate[]
  /** What HAProxy warned of; only when it was asked, that is when something changed. */
  readonly warnings: readonly string[]
}

/**
 * Makes the installed and the running configuration the wanted one.
 *
 * Nothing is written or run when both are. A bundle that HAProxy does not take, or cannot be reloaded with, leaves the
 * running one running and the last good one installed.
 *
 * @throws HaproxyError `HAPROXY_CONFIG_INVALID`, `HAPROXY_ADDRESS_IN_USE`, `HAPROXY_RELOAD_FAILED`,
 *   `HAPROXY_NOT_INSTALLED`; HostError.
 */
export async function ensureConfig(context: ProxyContext, options: RuntimeOptions = {}): Promise<EnsuredConfig> {
  await makeFolders(context)
  await ensureMapFiles(context)
  const [wanted, installed] = await Promise.all([renderBundle(context), readBundle(context)])
  if (sameBundle(wanted, installed)) {
    const reloaded = await ensureLoaded(context, wanted, options)
    return { changed: false, reloaded, refused: wanted.refused, warnings: [] }
  }
  const checked = await checkBundle(context, options)
  const changed = !sameBundle(checked, installed)
  if (changed) await installBundle(context, checked)
  const reloaded = await ensureLoaded(context, checked, options)
  return { changed, reloaded, refused: checked.refused, warnings: checked.warnings }
}

/** Reloads unless the worker already runs with this bundle, or there is none. */
async function ensureLoaded(context: ProxyContext, bundle: Bundle, options: RuntimeOptions): Promise<boolean> {
  const description = configDescription(bundle.config)
  const worker = await readWorker(context, options)
  if (worker === undefined || description === undefined) return false
  if (worker.description === description) {
    await keepGood(context, bundle)
    return false
  }
  const good = await readGood(context)
  try {
    const runs = good !== undefined && configDescription(good.config) === worker.description
    await reload(context, description, { ...options, ...(runs ? { good } : {}) })
  } catch (error) {
    if (good !== undefined) await restoreGood(context, good, options)
    throw error
  }
  await keepGood(context, bundle)
  return true
}

/** The first failure is what the caller must know; a second one, of the repair, would hide it. */
async function restoreGood(context: ProxyContext, good: Bundle, options: RuntimeOptions): Promise<void> {
  await installBundle(context, good)
  await reviveListeners(context, good, options).catch(() => undefined)
}

/**
 * Plans what `ensureConfig` would do. Reads the files and asks the worker; writes nothing, and does not run the check.
 */
export async function planConfig(context: ProxyContext, options: RuntimeOptions = {}): Promise<readonly RouteChange[]> {
  const [wanted, installed] = await Promise.all([renderBundle(context), readBundle(context)])
  const description = configDescription(wanted.config)
  const worker = await readWorker(context, options)
  return [
    ...planFile('certificates.crt-list', installed?.crtList, wanted.crtList),
    ...planFile('haproxy.cfg', installed?.config, wanted.config),
    ...(worker === undefined ? [] : planText('process', worker.description, description)),
  ]
}

function planFile(target: string, before: string | undefined, after: string | undefined): readonly RouteChange[] {
  if (before === after) return []
  const sizeOf = (text: string | undefined) => (text === undefined ? undefined : `${Buffer.byteLength(text)} bytes`)
  const action = before === undefined ? 'add' : after === undefined ? 'remove' : 'set'
  return [change(target, action, sizeOf(before), sizeOf(after))]
}

function planText(target: string, before: string | undefined, after: string | undefined): readonly RouteChange[] {
  return before === after ? [] : [change(target, 'set', before ?? 'another configuration', after)]
}

function change(
  target: string,
  action: RouteChange['action'],
  before: string | undefined,
  after: string | undefined,
): RouteChange {
  return {
    facility: 'haproxy',
    target,
    action,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  }
}

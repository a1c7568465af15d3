import type { Bundle } from '../config/bundle.ts'
import { findBusy, findSilent } from '../config/busy.ts'
import { parseListen } from '../config/listen.ts'
import { configDescription } from '../config/render.ts'
import type { ProxyContext } from '../context.ts'
import { HaproxyError } from '../errors.ts'
import { isOurs, readImage, signalOurs } from '../process.ts'
import { readUsage } from '../runtime/usage.ts'
import type { RuntimeOptions } from '../runtime/socket.ts'
import { waitFor } from '../wait.ts'
import { findMaster, readWorker, readWorkerMeanwhile } from './worker.ts'

export interface ReloadOptions extends RuntimeOptions {
  /** What runs now, to tell which addresses are new. */
  readonly good?: Bundle
}

/** Longer than the two seconds for which HAProxy tries to bind a busy address; it says nothing when it gives up. */
const reloadTimeout = 8000

/** A worker hands its counters on only after its own wait for a predecessor, 5 s, is over; one second is rounding. */
const settledAfter = 6

/**
 * Reloads: SIGUSR2 to the master, and then the socket must be answered by another worker with this description.
 *
 * A worker younger than six seconds would not hand its counters on; with any counted it is waited for.
 *
 * @throws HaproxyError `HAPROXY_ADDRESS_IN_USE` before anything is done, `HAPROXY_RELOAD_FAILED` when no new worker came
 *   up, `HAPROXY_NOT_RUNNING` without a master.
 * @see HAProxy management guide, 4 "Stopping and restarting HAProxy"
 */
export async function reload(context: ProxyContext, description: string, options: ReloadOptions = {}): Promise<void> {
  const operation = 'reload HAProxy'
  const master = await findMaster(context)
  const config = context.real.files.config
  if (master === undefined) throw new HaproxyError('HAPROXY_NOT_RUNNING', { operation, path: config })
  await assertFree(newAddresses(context, options.good))
  await settleCounters(context, options)
  const before = await readWorker(context, options)
  const ask = await createReloadSignal(master, config)
  const loaded = await waitFor(
    async () => {
      await ask()
      const worker = await readWorkerMeanwhile(context, options)
      if (worker !== undefined && worker.pid !== before?.pid && worker.description === description) return true
      return (await isOurs(master, config)) ? undefined : false
    },
    { ...options, operation, timeout: reloadTimeout },
  )
  if (loaded !== true) throw await reloadFailed(context, loaded === false)
}

/**
 * Sends SIGUSR2, and again every half second as long as the master has not begun: one that has just started loses it.
 * A master that begins runs itself anew.
 */
async function createReloadSignal(master: number, config: string): Promise<() => Promise<void>> {
  const image = await readImage(master)
  let asked = Number.NEGATIVE_INFINITY
  return async () => {
    if (performance.now() - asked < 500 || (await readImage(master)) !== image) return
    asked = performance.now()
    await signalOurs(master, config, 'SIGUSR2')
  }
}

async function settleCounters(context: ProxyContext, options: RuntimeOptions): Promise<void> {
  await waitFor(
    async () => {
      const worker = await readWorker(context, options)
      if (worker === undefined || worker.uptime >= settledAfter) return true
      return (await readUsage(context.runtime, options)).length === 0 ? true : undefined
    },
    { ...options, operation: 'wait until the counters can be handed on', timeout: (settledAfter + 2) * 1000 },
  )
}

async function reloadFailed(context: ProxyContext, ended: boolean): Promise<HaproxyError> {
  const detail = ended ? 'its master ended' : 'no new worker came up, and HAProxy does not say why; the old one stays'
  const silent = ended ? [] : await findSilent(context.settings.listen)
  const what = silent.length === 0 ? detail : `${detail}, but does not answer on ${silent.join(', ')}`
  return new HaproxyError('HAPROXY_RELOAD_FAILED', { operation: 'reload HAProxy', detail: what })
}

/**
 * A master that finds a new address taken tries for two seconds, and meanwhile has the old worker listen nowhere, so
 * that nobody is served: it must not come to that.
 */
async function assertFree(addresses: readonly string[]): Promise<void> {
  const busy = await findBusy(addresses)
  if (busy.length === 0) return
  const detail = 'somebody else listens there; stop that, or listen elsewhere'
  throw new HaproxyError('HAPROXY_ADDRESS_IN_USE', {
    operation: 'reload HAProxy to listen on',
    value: busy.join(', '),
    detail,
  })
}

/**
 * The addresses that the running configuration has nothing to do with. A port that it binds on another address is its
 * own, and is handed over.
 */
function newAddresses({ settings }: ProxyContext, good: Bundle | undefined): readonly string[] {
  if (good === undefined) return []
  const bound = new Set([...good.config.matchAll(/^ {2}bind \S*:([0-9]+)(?: |$)/gm)].map((line) => Number(line[1])))
  return [...settings.listen, ...(settings.tls?.listen ?? [])].filter((text) => {
    const address = parseListen(text)
    return address !== undefined && !bound.has(address.port)
  })
}

/**
 * Has a worker that was left listening nowhere by a failed reload replaced by one that listens, with the configuration
 * that is installed. Does nothing when every address answers.
 */
export async function reviveListeners(
  context: ProxyContext,
  good: Bundle,
  options: RuntimeOptions = {},
): Promise<void> {
  const fresh = new Set(newAddresses(context, good))
  const old = context.settings.listen.filter((address) => !fresh.has(address))
  const description = configDescription(good.config)
  if (description === undefined || (await findSilent(old)).length === 0) return
  await reload(context, description, options)
}

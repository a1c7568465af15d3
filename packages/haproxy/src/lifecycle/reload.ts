import type { EffectOptions } from '@puppy/host'
import type { ProxyContext } from '../context.ts'
import { HaproxyError } from '../errors.ts'
import { isOurs, readImage, signalOurs, type OwnProcesses } from '../process.ts'
import { readUsage } from '../runtime/usage.ts'
import { waitFor } from '../wait.ts'
import { findBusy, findSilent } from './addresses.ts'
import { findMaster, readWorker, readWorkerMeanwhile } from './worker.ts'

/** Options of `reload`. */
export interface ReloadOptions extends EffectOptions {
  /** The addresses that the running configuration does not listen on yet. `reload` checks that they are free first. */
  readonly added?: readonly string[]
}

/** Milliseconds. HAProxy tries to bind a busy address for two seconds, and then stops trying without a report. */
const reloadTimeout = 8000

/** Age in seconds from which a worker hands over its counters. It first waits 5 s for a predecessor. One second is for rounding. */
const handsOnAfter = 6

/**
 * Reloads HAProxy: sends SIGUSR2 to the master and waits until a new worker with this description answers on the socket.
 *
 * A worker that is younger than six seconds does not hand over its counters. If it has counted a request, `reload` waits.
 *
 * @throws HaproxyError `HAPROXY_ADDRESS_IN_USE` before anything is changed, `HAPROXY_RELOAD_FAILED` when no new worker started,
 *   `HAPROXY_NOT_RUNNING` without a master.
 * @see HAProxy management guide, 4 "Stopping and restarting HAProxy"
 */
export async function reload(context: ProxyContext, description: string, options: ReloadOptions = {}): Promise<void> {
  const operation = 'reload HAProxy'
  const master = await findMaster(context)
  if (master === undefined)
    throw new HaproxyError('HAPROXY_NOT_RUNNING', {
      operation: 'reload HAProxy with',
      target: context.real.files.config,
      detail: 'no HAProxy runs with this configuration; start it first',
    })
  await assertFree(options.added ?? [])
  await awaitCounters(context, options)
  const before = await readWorker(context, options)
  const ask = await createReloadSignal(context.own, master)
  const loaded = await waitFor(
    async () => {
      await ask()
      const worker = await readWorkerMeanwhile(context, options)
      if (worker !== undefined && worker.pid !== before?.pid && worker.description === description) return 'loaded'
      return (await isOurs(context.own, master)) ? undefined : 'ended'
    },
    { ...options, operation, timeout: Math.min(options.timeout ?? reloadTimeout, reloadTimeout) },
  )
  if (loaded !== 'loaded') throw await reloadFailed(context, loaded === 'ended')
}

/**
 * Returns a function that sends SIGUSR2 and repeats it every half second until the master begins to reload. A master that has just started
 * loses the signal. When it begins to reload, it executes its program again.
 */
async function createReloadSignal(own: OwnProcesses, master: number): Promise<() => Promise<void>> {
  const image = await readImage(own, master)
  let asked = Number.NEGATIVE_INFINITY
  return async () => {
    if (performance.now() - asked < 500 || (await readImage(own, master)) !== image) return
    asked = performance.now()
    await signalOurs(own, master, 'SIGUSR2')
  }
}

async function awaitCounters(context: ProxyContext, options: EffectOptions): Promise<void> {
  await waitFor(
    async () => {
      const worker = await readWorker(context, options)
      if (worker === undefined || worker.uptime >= handsOnAfter) return true
      return (await readUsage(context.runtime, options)).length === 0 ? true : undefined
    },
    { ...options, operation: 'wait until the worker can hand over its counters', timeout: (handsOnAfter + 2) * 1000 },
  )
}

async function reloadFailed(context: ProxyContext, ended: boolean): Promise<HaproxyError> {
  const detail = ended
    ? 'its master ended'
    : 'no new worker started, and HAProxy does not report why; the old worker keeps running'
  const silent = ended ? [] : await findSilent(context.settings.listen)
  const what = silent.length === 0 ? detail : `${detail}, but does not answer on ${silent.join(', ')}`
  return new HaproxyError('HAPROXY_RELOAD_FAILED', { operation: 'reload HAProxy', detail: what })
}

/**
 * Throws when another process listens on one of these addresses. A master that finds a new address in use tries for two seconds to bind it.
 * During that time its old worker does not listen on any address, so no visitor is served.
 */
async function assertFree(addresses: readonly string[]): Promise<void> {
  const busy = await findBusy(addresses)
  if (busy.length === 0) return
  throw new HaproxyError('HAPROXY_ADDRESS_IN_USE', {
    operation: 'reload HAProxy to listen on',
    target: busy.join(', '),
    detail: 'another process listens there; stop it, or choose another address',
  })
}

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
  /** The addresses that the running configuration does not listen on yet. They are tried before the reload. */
  readonly added?: readonly string[]
}

/** Longer than the two seconds for which HAProxy tries to bind a busy address; it reports nothing when it gives up. */
const reloadTimeout = 8000

/** Seconds after which a worker hands its counters on: its own wait for a predecessor takes 5 s; one second is rounding. */
const handsOnAfter = 6

/**
 * Reloads: sends SIGUSR2 to the master and waits until another worker with this description answers the socket.
 *
 * A worker younger than six seconds would not hand its counters on. If it has counted any request, the reload waits.
 *
 * @throws HaproxyError `HAPROXY_ADDRESS_IN_USE` before anything is done, `HAPROXY_RELOAD_FAILED` when no new worker came
 *   up, `HAPROXY_NOT_RUNNING` without a master.
 * @see HAProxy management guide, 4 "Stopping and restarting HAProxy"
 */
export async function reload(context: ProxyContext, description: string, options: ReloadOptions = {}): Promise<void> {
  const operation = 'reload HAProxy'
  const master = await findMaster(context)
  if (master === undefined)
    throw new HaproxyError('HAPROXY_NOT_RUNNING', { operation, target: context.real.files.config })
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
 * Returns a function that sends SIGUSR2, and again every half second as long as the master has not begun: a master that has
 * just started loses the signal. A master that begins executes its program again.
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
    { ...options, operation: 'wait until the counters can be handed on', timeout: (handsOnAfter + 2) * 1000 },
  )
}

async function reloadFailed(context: ProxyContext, ended: boolean): Promise<HaproxyError> {
  const detail = ended
    ? 'its master ended'
    : 'no new worker came up, and HAProxy does not report why; the old one stays'
  const silent = ended ? [] : await findSilent(context.settings.listen)
  const what = silent.length === 0 ? detail : `${detail}, but does not answer on ${silent.join(', ')}`
  return new HaproxyError('HAPROXY_RELOAD_FAILED', { operation: 'reload HAProxy', detail: what })
}

/**
 * Refuses addresses that another process has. A master that finds a new address taken tries for two seconds, and meanwhile
 * its old worker does not listen anywhere, so that no visitor is served.
 */
async function assertFree(addresses: readonly string[]): Promise<void> {
  const busy = await findBusy(addresses)
  if (busy.length === 0) return
  throw new HaproxyError('HAPROXY_ADDRESS_IN_USE', {
    operation: 'reload HAProxy to listen on',
    target: busy.join(', '),
    detail: 'another process listens there; stop it, or listen elsewhere',
  })
}

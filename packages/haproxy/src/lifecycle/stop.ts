import type { EffectOptions } from '@puppy/host'
import type { LocationContext } from '../context.ts'
import { HaproxyError } from '../errors.ts'
import { findOurs, signalOurs } from '../process.ts'
import { waitFor } from '../wait.ts'
import { findService, stopService } from './systemd.ts'

/** Milliseconds to wait after SIGTERM, and again after SIGKILL. */
const patience = 5000

/**
 * Ends the master and all workers, including old ones, waits until they have ended, and removes the pid file and the sockets.
 *
 * Breaks open connections. Does nothing when HAProxy does not run.
 *
 * @throws HaproxyError `HAPROXY_STOP_FAILED`, `HAPROXY_ABORTED`
 */
export async function stop(context: LocationContext, options: EffectOptions = {}): Promise<void> {
  const service = await findService(context)
  if (service !== undefined) await stopService(context, service, options)
  await endOurs(context, options)
}

/** Ends every HAProxy process with our configuration and removes its files in the run folder. @throws HaproxyError as `stop` */
export async function endOurs(context: LocationContext, options: EffectOptions = {}): Promise<void> {
  const { host, files } = context
  const gone = (await endAll(context, 'SIGTERM', options)) || (await endAll(context, 'SIGKILL', options))
  if (!gone) {
    const left = (await findOurs(context.own)).map(({ pid }) => pid).join(', ')
    throw new HaproxyError('HAPROXY_STOP_FAILED', {
      operation: 'stop HAProxy',
      detail: `still running after SIGKILL: process ${left}`,
    })
  }
  for (const file of [files.pid, files.socket, files.peers, files.peersFolder]) await host.remove(file)
}

/** Sends a signal to all of our processes until all have ended. Returns whether they ended in time. */
async function endAll(
  context: LocationContext,
  signal: 'SIGTERM' | 'SIGKILL',
  options: EffectOptions,
): Promise<boolean> {
  const signalled = new Set<number>()
  const gone = await waitFor(
    async () => {
      const left = await findOurs(context.own)
      if (left.length === 0) return true
      for (const { pid } of left.filter((one) => !signalled.has(one.pid))) {
        signalled.add(pid)
        await signalOurs(context.own, pid, signal)
      }
      return undefined
    },
    { ...options, operation: 'stop HAProxy', timeout: Math.min(options.timeout ?? patience, patience) },
  )
  return gone === true
}

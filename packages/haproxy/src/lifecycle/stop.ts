import type { ProxyContext } from '../context.ts'
import { removeStaged } from '../config/check.ts'
import { removeFiles } from '../config/store.ts'
import { HaproxyError } from '../errors.ts'
import { findOurs, signalOurs } from '../process.ts'
import type { RuntimeOptions } from '../runtime/socket.ts'
import { waitFor } from '../wait.ts'
import { findService, removeService, stopService } from './systemd.ts'

/** Milliseconds for SIGTERM, and again for SIGKILL. */
const patience = 5000

/**
 * Ends master and workers, old ones included, waits for their end, and removes pid file and sockets.
 *
 * Connections break. It is no error when nothing runs.
 *
 * @throws HaproxyError `HAPROXY_STOP_FAILED`, `HAPROXY_ABORTED`
 */
export async function stop(context: ProxyContext, options: RuntimeOptions = {}): Promise<void> {
  const service = await findService(context)
  if (service !== undefined) await stopService(context, service, options)
  await endOurs(context, options)
}

/** Stops, and deletes every file of ours and the systemd unit. The certificates are not ours. */
export async function remove(context: ProxyContext, options: RuntimeOptions = {}): Promise<void> {
  await stop(context, options)
  const service = await findService(context)
  if (service !== undefined) await removeService(context, service, options)
  await removeStaged(context)
  await removeFiles(context)
}

/** Ends every process with our configuration and removes what it leaves in the run folder. */
export async function endOurs(context: ProxyContext, options: RuntimeOptions = {}): Promise<void> {
  const { host, files } = context
  const gone = (await endAll(context, 'SIGTERM', options)) || (await endAll(context, 'SIGKILL', options))
  if (!gone) {
    const left = (await findOurs(context.real.files.config)).map(({ pid }) => pid).join(', ')
    throw new HaproxyError('HAPROXY_STOP_FAILED', { operation: 'stop HAProxy', detail: `still there: process ${left}` })
  }
  for (const file of [files.pid, files.socket, files.peers, files.peersFolder]) await host.remove(file)
}

/** Signals everything of ours until nothing is left; says whether that came to pass in time. */
async function endAll(context: ProxyContext, signal: 'SIGTERM' | 'SIGKILL', options: RuntimeOptions): Promise<boolean> {
  const config = context.real.files.config
  const signalled = new Set<number>()
  const gone = await waitFor(
    async () => {
      const left = await findOurs(config)
      if (left.length === 0) return true
      for (const { pid } of left.filter((one) => !signalled.has(one.pid))) {
        signalled.add(pid)
        await signalOurs(pid, config, signal)
      }
      return undefined
    },
    { ...options, operation: 'stop HAProxy', timeout: patience },
  )
  return gone === true
}

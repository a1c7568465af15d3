import { findTool, renderCommand, runOptions, type EffectOptions } from '@puppy/host'
import { haproxyProgram, peersFolderCommand, type ProxyContext } from '../context.ts'
import { busyAddresses, messagesOf, parseDiagnostics } from '../diagnostics.ts'
import { HaproxyError, joinMessages } from '../errors.ts'
import type { WorkerInfo } from '../runtime/info.ts'
import { findBusy } from './addresses.ts'
import { startCommand } from './command.ts'
import { endOurs } from './stop.ts'
import { findService, startService, type ProxyService } from './systemd.ts'
import { awaitWorker, readMaster } from './worker.ts'

/** A HAProxy that was started. */
export interface Started {
  /** The process id of the master. */
  readonly pid: number
  readonly worker: WorkerInfo
}

/**
 * Starts HAProxy with the installed configuration and waits until a worker answers. When the location names a systemd unit, starts it as
 * that unit.
 *
 * First removes what a killed HAProxy left behind: pid file, sockets, and a worker without its master.
 *
 * @throws HaproxyError `HAPROXY_ADDRESS_IN_USE`, which names the addresses, `HAPROXY_START_FAILED`, `HAPROXY_NOT_INSTALLED`,
 *   `HAPROXY_TIMEOUT` when HAProxy runs and does not answer.
 */
export async function startHaproxy(context: ProxyContext, options: EffectOptions = {}): Promise<Started> {
  await endOurs(context, options)
  const service = await findService(context)
  if (service === undefined) await startDaemon(context, options)
  else await startUnit(context, service, options)
  const worker = await awaitWorker(context, options)
  const pid = worker === undefined ? undefined : await readMaster(context)
  if (worker !== undefined && pid !== undefined) return { pid, worker }
  throw new HaproxyError('HAPROXY_START_FAILED', {
    operation: 'start HAProxy',
    detail: 'it ended before a worker answered',
  })
}

/** Returns the command that starts HAProxy, as text to show. Undefined when HAProxy is not installed. */
export async function readStartCommand(context: ProxyContext): Promise<string | undefined> {
  const service = await findService(context)
  if (service !== undefined) return renderCommand([service.systemctl, 'enable', '--now', service.unit])
  const program = findTool(context.host, 'haproxy')
  return program === undefined ? undefined : renderCommand(startCommand(program, context.real.files))
}

async function startDaemon({ host, real }: ProxyContext, options: EffectOptions): Promise<void> {
  const command = startCommand(haproxyProgram(host), real.files)
  await host.run(peersFolderCommand(real.settings, real.files), runOptions('ours', options))
  const result = await host.run(command, runOptions('ours', options, { daemon: true, accept: [0, 1] }))
  if (result.exitCode !== 0) throw startFailed(result.stderr)
}

/** systemd does not pass on the messages of HAProxy, so this checks for the usual reason: an address in use. */
async function startUnit(context: ProxyContext, service: ProxyService, options: EffectOptions): Promise<void> {
  const { listen, tls } = context.settings
  try {
    await startService(context, service, options)
  } catch (cause) {
    const busy = await findBusy([...listen, ...(tls?.listen ?? [])])
    throw busy.length === 0 ? cause : addressInUse(busy, { cause })
  }
}

/** Returns the error for a HAProxy that did not start, from its standard error. Pure. */
export function startFailed(stderr: string): HaproxyError {
  const alerts = messagesOf(parseDiagnostics(stderr), 'alert')
  const said = alerts.length === 0 ? stderr.trim().slice(-500) : joinMessages(alerts)
  const busy = busyAddresses(alerts)
  if (busy.length > 0) return addressInUse(busy, { said })
  return new HaproxyError('HAPROXY_START_FAILED', { operation: 'start HAProxy', said })
}

function addressInUse(
  busy: readonly string[],
  facts: { readonly said?: string; readonly cause?: unknown },
): HaproxyError {
  const detail = 'another process listens there; stop it, or choose another address'
  return new HaproxyError('HAPROXY_ADDRESS_IN_USE', {
    operation: 'start HAProxy on',
    target: busy.join(', '),
    detail,
    ...facts,
  })
}

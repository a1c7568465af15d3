import { renderCommand } from '@puppy/host'
import { findBusy } from '../config/busy.ts'
import { ensureConfig } from '../config/ensure.ts'
import { readBundle } from '../config/bundle.ts'
import { busyAddresses, messagesOf, parseDiagnostics } from '../config/diagnostics.ts'
import { configDescription } from '../config/render.ts'
import { keepGood } from '../config/store.ts'
import { haproxyProgram, makeFolders, peersFolderCommand, type ProxyContext } from '../context.ts'
import { HaproxyError } from '../errors.ts'
import { ensureMapFiles } from '../routes/store.ts'
import type { RouteChange } from '../routes/plan.ts'
import type { RuntimeOptions } from '../runtime/socket.ts'
import { waitFor } from '../wait.ts'
import { startCommand } from './command.ts'
import { endOurs } from './stop.ts'
import { findService, startService, type ProxyService } from './systemd.ts'
import { findMaster, readMaster, readWorkerMeanwhile } from './worker.ts'

/** What `ensureRunning` did. */
export interface EnsuredRunning {
  /** False when it was running already. */
  readonly started: boolean
  /** The master. */
  readonly pid: number
}

const answerTimeout = 10_000

/**
 * Makes HAProxy run: adopts the one that does, or starts it, as a systemd unit where one was named.
 *
 * Running means that the master lives and a worker answers the socket. What a killed one left behind (pid file, sockets,
 * a worker without its master) is cleared away first. Without a configuration `ensureConfig` comes first.
 *
 * @throws HaproxyError `HAPROXY_ADDRESS_IN_USE` naming the addresses, `HAPROXY_START_FAILED`, `HAPROXY_NOT_INSTALLED`,
 *   `HAPROXY_TIMEOUT` when it runs and does not answer.
 */
export async function ensureRunning(context: ProxyContext, options: RuntimeOptions = {}): Promise<EnsuredRunning> {
  const running = await findMaster(context)
  if (running !== undefined) {
    await awaitAnswer(context, options)
    return { started: false, pid: running }
  }
  await makeFolders(context)
  if ((await readBundle(context)) === undefined) await ensureConfig(context, options)
  await ensureMapFiles(context)
  await endOurs(context, options)
  const service = await findService(context)
  if (service === undefined) await startDaemon(context, options)
  else await startUnit(context, service, options)
  await awaitAnswer(context, options)
  const pid = await readMaster(context)
  if (pid === undefined)
    throw new HaproxyError('HAPROXY_START_FAILED', { operation: 'start HAProxy', detail: 'it ended' })
  return { started: true, pid }
}

async function startDaemon({ host, real }: ProxyContext, options: RuntimeOptions): Promise<void> {
  const command = startCommand(haproxyProgram(host), real.files)
  await host.run(peersFolderCommand(real.settings, real.files), { touches: 'ours' })
  const result = await host.run(command, {
    touches: 'ours',
    daemon: true,
    timeout: 120_000,
    accept: [0, 1],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  if (result.exitCode !== 0) throw startFailed(result.stderr)
}

/** systemd does not pass on what HAProxy said, so the usual reason is looked for. */
async function startUnit(context: ProxyContext, service: ProxyService, options: RuntimeOptions): Promise<void> {
  const { listen, tls } = context.settings
  try {
    await startService(context, service, options)
  } catch (cause) {
    const busy = await findBusy([...listen, ...(tls?.listen ?? [])])
    throw busy.length === 0 ? cause : addressInUse(busy, { cause })
  }
}

/** Says why HAProxy did not start, from what it wrote to standard error. */
export function startFailed(stderr: string): HaproxyError {
  const operation = 'start HAProxy'
  const alerts = messagesOf(parseDiagnostics(stderr), 'alert')
  const said = alerts.length === 0 ? [stderr.trim().slice(-500)] : alerts
  const busy = busyAddresses(alerts)
  if (busy.length === 0) return new HaproxyError('HAPROXY_START_FAILED', { operation, said })
  return addressInUse(busy, { said })
}

function addressInUse(
  busy: readonly string[],
  facts: { readonly said?: readonly string[]; readonly cause?: unknown },
): HaproxyError {
  const value = busy.join(', ')
  const detail = 'somebody else listens there; stop that, or listen elsewhere'
  return new HaproxyError('HAPROXY_ADDRESS_IN_USE', { operation: 'start HAProxy on', value, detail, ...facts })
}

/** Waits for the worker, and keeps a copy of the configuration when it is the one that answers. */
async function awaitAnswer(context: ProxyContext, options: RuntimeOptions): Promise<void> {
  const operation = 'wait for HAProxy to answer'
  const worker = await waitFor(
    async () => {
      const answer = await readWorkerMeanwhile(context, options)
      if (answer !== undefined) return answer
      return (await findMaster(context)) === undefined ? false : undefined
    },
    { ...options, operation, timeout: answerTimeout },
  )
  const path = context.real.files.socket
  if (worker === false) throw new HaproxyError('HAPROXY_START_FAILED', { operation, path, detail: 'it ended' })
  if (worker === undefined)
    throw new HaproxyError('HAPROXY_TIMEOUT', { operation, path, detail: 'it runs, but is silent' })
  const installed = await readBundle(context)
  if (installed === undefined || worker.description !== configDescription(installed.config)) return
  await keepGood(context, installed)
}

/** Plans what `ensureRunning` would do. Reads only. @throws HaproxyError `HAPROXY_NOT_INSTALLED` */
export async function planRunning(context: ProxyContext): Promise<readonly RouteChange[]> {
  if ((await readMaster(context)) !== undefined) return []
  const service = await findService(context)
  const command =
    service === undefined
      ? startCommand(haproxyProgram(context.host), context.real.files)
      : [service.systemctl, 'enable', '--now', service.unit]
  return [{ facility: 'haproxy', target: 'process', action: 'add', after: renderCommand(command) }]
}

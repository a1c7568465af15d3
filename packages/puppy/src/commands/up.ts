import type { Lock } from '@puppy/host'
import { errno, HostError } from '@puppy/host/errors'
import { lock, machine } from '@puppy/host/lean'
import { isRunning, openPidFile, type ProcessIdentity } from '@puppy/host/process'
import { StartError } from '@puppy/state/errors'
import { readServer, stopEmbedded } from '@puppy/state/server'
import { bindSockets, type BoundSocket } from '../bound-socket.ts'
import { PartFailed, runPart } from './part.ts'
import { untilToldToEnd } from './signals.ts'
import type { Prepared } from './stages.ts'
import { keepDoing, shorten, supervise, type Supervised } from './supervise.ts'
import { warn } from '../say.ts'

/**
 * Runs `puppy up`: starts everything on this machine and keeps it running until SIGINT or SIGTERM. HAProxy continues after that.
 *
 * This process is long-lived, so it loads few modules. `puppy start`, a separate process, does the work of the start. This process holds
 * the lock and the socket of the API, and starts and supervises the API and the agent.
 */
export async function up(): Promise<void> {
  const ending = new AbortController()
  const { promise: failed, reject: fail } = Promise.withResolvers<never>()
  failed.catch(() => {})
  const children: Supervised[] = []
  // The sockets stay open while the API restarts: no other program can bind the port, and new connections wait.
  let sockets: readonly BoundSocket[] = []
  let prepared: Prepared | undefined
  let held: Lock | undefined
  const start = runPart('start', async (report) => {
    if (ending.signal.aborted) return 'end'
    if (report.stage === 'prepared') {
      held = await lockUp(report)
      prepared = report
      await openPidFile(machine, report.pidFile).write(process.pid)
      return 'go on'
    }
    try {
      sockets = bindSockets(report.addresses, report.port)
    } catch (error) {
      return { errno: errno(error) ?? String(error) }
    }
    const descriptors = sockets.map(({ descriptor }) => descriptor)
    for (const program of report.processes) {
      const child = await supervise(program, program.name === 'api' ? descriptors : [], ending.signal)
      children.push(child)
      child.failed.catch(fail)
    }
    return 'go on'
  })
  const told = untilToldToEnd().then(() => {
    ending.abort()
    start.tell()
  })
  try {
    await Promise.race([start.ended, failed])
    if (prepared === undefined || ending.signal.aborted) return
    await Promise.race([told, failed, keepDatabase(prepared, ending.signal), keepLogsShort(prepared, ending.signal)])
  } catch (error) {
    if (!(error instanceof PartFailed)) throw error
    process.exitCode = error.exitCode
  } finally {
    ending.abort()
    await start.end()
    await Promise.all(children.map((child) => child.stop()))
    for (const socket of sockets) socket.close()
    if (prepared?.isEmbedded === true && held !== undefined) await stopEmbedded(prepared.stateDir)
    if (prepared !== undefined) await openPidFile(machine, prepared.pidFile).remove()
    await held?.release()
  }
}

async function lockUp({ lock: path, stateDir }: Prepared): Promise<Lock> {
  try {
    return await lock(path, { timeout: 0, purpose: 'puppy up' })
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== 'HOST_LOCK_TIMEOUT') throw error
    throw new StartError(
      `Puppy already runs with the state folder ${stateDir} (${error.facts.detail}); stop it first with "npm run puppy -- down"`,
    )
  }
}

/** Shortens the logs every minute. Does not resolve before the signal aborts. */
function keepLogsShort({ logs }: Prepared, signal: AbortSignal): Promise<void> {
  return keepDoing('shorten the logs', 60_000, signal, async () => {
    for (const log of logs) await shorten(log)
  })
}

/** Starts the embedded database again when it ends. Does not resolve before the signal aborts. */
function keepDatabase({ isEmbedded, stateDir }: Prepared, signal: AbortSignal): Promise<void> {
  let server: ProcessIdentity | undefined
  return keepDoing('start the database again', 500, signal, async () => {
    if (!isEmbedded) return
    server ??= await readServer(stateDir)
    if (server !== undefined && (await isRunning(machine, server))) return
    server = undefined
    warn('The database ended and is started again')
    await runPart('database').ended
  })
}

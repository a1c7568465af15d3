import type { EffectOptions } from '@puppy/host'
import { identifyProcess, isRunning, type ProcessIdentity } from '@puppy/host/process'
import type { LocationContext } from '../context.ts'
import { HaproxyError, isHaproxyError } from '../errors.ts'
import { findOurs, isOurs, parsePidFile, type OwnProcess } from '../process.ts'
import { readInfo, type WorkerInfo } from '../runtime/info.ts'
import { waitFor } from '../wait.ts'

/** Reads the identity of the worker behind the socket. Undefined without a worker. @throws HaproxyError as `Runtime.send` */
export async function readWorker(
  { runtime }: LocationContext,
  options: EffectOptions = {},
): Promise<WorkerInfo | undefined> {
  try {
    return await readInfo(runtime, options)
  } catch (error) {
    if (isHaproxyError(error, 'HAPROXY_NOT_RUNNING')) return undefined
    throw error
  }
}

/**
 * Reads the worker like `readWorker`, but takes a timeout or an incomplete reply for no worker. Both happen while the socket is handed over
 * or has just been created.
 */
export async function readWorkerMeanwhile(
  context: LocationContext,
  options: EffectOptions = {},
): Promise<WorkerInfo | undefined> {
  try {
    return await readWorker(context, { ...options, timeout: Math.min(options.timeout ?? 1000, 1000) })
  } catch (error) {
    const passing = ['HAPROXY_REPLY_INCOMPLETE', 'HAPROXY_TIMEOUT'] as const
    if (passing.some((code) => isHaproxyError(error, code))) return undefined
    throw error
  }
}

/** Milliseconds within which a worker must answer while its master is alive. */
const answerTimeout = 10_000

/**
 * Waits until a worker answers. Returns undefined when the master ends before that.
 *
 * @throws HaproxyError `HAPROXY_TIMEOUT` when the master is alive and no worker answers, `HAPROXY_ABORTED`
 */
export async function awaitWorker(context: LocationContext, options: EffectOptions): Promise<WorkerInfo | undefined> {
  const operation = 'get an answer from HAProxy'
  const worker = await waitFor(
    async () => {
      const answer = await readWorkerMeanwhile(context, options)
      if (answer !== undefined) return answer
      return (await locateMaster(context)) === undefined ? 'ended' : undefined
    },
    { ...options, operation, timeout: Math.min(options.timeout ?? answerTimeout, answerTimeout) },
  )
  if (worker !== undefined) return worker === 'ended' ? undefined : worker
  const target = context.real.files.socket
  throw new HaproxyError('HAPROXY_TIMEOUT', { operation, target, detail: 'its master runs and no worker answers' })
}

/**
 * Returns the process id of the master, if it is alive.
 *
 * Reads two small files, and all of /proc only when the pid file names no process. This happens for a moment in every reload: HAProxy
 * unlinks the file, and writes it again after it has bound its addresses.
 */
export async function readMaster(context: LocationContext): Promise<number | undefined> {
  const { named, master } = await readNamed(context)
  return named ? master : masterAmong(await findOurs(context.own))
}

/**
 * Creates a function that returns whether the master is alive. The function is called several times a second, so it remembers the process
 * that it found. While that process is alive, a call reads one small file of /proc.
 */
export function createAlive(context: LocationContext): () => Promise<boolean> {
  const { machine } = context.own
  let known: ProcessIdentity | undefined
  return async () => {
    if (known !== undefined && (await isRunning(machine, known))) return true
    const pid = await readMaster(context)
    known = pid === undefined ? undefined : await identifyProcess(machine, pid)
    return known !== undefined
  }
}

async function readNamed({ host, files, own }: LocationContext): Promise<{ named: boolean; master?: number }> {
  const pid = parsePidFile((await host.read(files.pid)) ?? '')
  if (pid === undefined) return { named: false }
  return (await isOurs(own, pid)) ? { named: true, master: pid } : { named: true }
}

/** Returns the master among our processes: the process with a child among them. A worker without a master ends by itself. */
export function masterAmong(processes: readonly OwnProcess[]): number | undefined {
  return processes.find(({ pid }) => processes.some(({ parent }) => parent === pid))?.pid
}

/** The master process. */
export interface Master {
  readonly pid: number
  /** Whether the pid file names it. */
  readonly named: boolean
}

/** Returns the master, also when its pid file is missing or wrong. */
export async function locateMaster(context: LocationContext): Promise<Master | undefined> {
  const { master } = await readNamed(context)
  if (master !== undefined) return { pid: master, named: true }
  const pid = masterAmong(await findOurs(context.own))
  return pid === undefined ? undefined : { pid, named: false }
}

/** Writes the pid file. */
export async function writePidFile({ host, files }: LocationContext, pid: number): Promise<void> {
  await host.replace(files.pid, `${pid}\n`, { mode: 0o644 })
}

/** Returns the process id of the master like `locateMaster`, and writes a missing or wrong pid file again. */
export async function findMaster(context: LocationContext): Promise<number | undefined> {
  const master = await locateMaster(context)
  if (master?.named === false) await writePidFile(context, master.pid)
  return master?.pid
}

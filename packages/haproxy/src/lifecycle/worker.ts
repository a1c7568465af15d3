import type { ProxyContext } from '../context.ts'
import { isHaproxyError } from '../errors.ts'
import { findOurs, isOurs, parsePidFile, type OwnProcess } from '../process.ts'
import { readInfo, type WorkerInfo } from '../runtime/info.ts'
import type { RuntimeOptions } from '../runtime/socket.ts'

/** Asks the worker behind the socket who it is; undefined when nobody is there. @throws HaproxyError as `Runtime.send` */
export async function readWorker(
  { runtime }: ProxyContext,
  options: RuntimeOptions = {},
): Promise<WorkerInfo | undefined> {
  try {
    return await readInfo(runtime, options)
  } catch (error) {
    if (isHaproxyError(error, 'HAPROXY_NOT_RUNNING')) return undefined
    throw error
  }
}

/** Like `readWorker`, but silence and cut replies count as nobody: the socket is being handed over or just made. */
export async function readWorkerMeanwhile(
  context: ProxyContext,
  options: RuntimeOptions = {},
): Promise<WorkerInfo | undefined> {
  try {
    return await readWorker(context, { ...options, timeout: 1000 })
  } catch (error) {
    const passing = ['HAPROXY_REPLY_INCOMPLETE', 'HAPROXY_TIMEOUT'] as const
    if (passing.some((code) => isHaproxyError(error, code))) return undefined
    throw error
  }
}

/**
 * The master, if it lives. Cheap: two small files are read, and all of /proc only when the pid file names nobody, as for
 * a moment in every reload: HAProxy unlinks the file and writes it again after it has bound its addresses.
 */
export async function readMaster(context: ProxyContext): Promise<number | undefined> {
  const { named, master } = await readNamed(context)
  return named ? master : masterAmong(await findOurs(context.real.files.config))
}

async function readNamed({ host, files, real }: ProxyContext): Promise<{ named: boolean; master?: number }> {
  const pid = parsePidFile((await host.read(files.pid)) ?? '')
  if (pid === undefined) return { named: false }
  return (await isOurs(pid, real.files.config)) ? { named: true, master: pid } : { named: true }
}

/** The master among processes of ours: the one that has a child among them. A worker without a master ends by itself. */
export function masterAmong(processes: readonly OwnProcess[]): number | undefined {
  return processes.find(({ pid }) => processes.some(({ parent }) => parent === pid))?.pid
}

/** The master, also when its pid file is lost; the file is then written again. */
export async function findMaster(context: ProxyContext): Promise<number | undefined> {
  const { host, files, real } = context
  const { master } = await readNamed(context)
  if (master !== undefined) return master
  const found = masterAmong(await findOurs(real.files.config))
  if (found !== undefined) await host.replace(files.pid, `${found}\n`, { mode: 0o644 })
  return found
}

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

/** The master in the pid file, if that process lives and is ours. Cheap: two small files are read. */
export async function readMaster({ host, files, real }: ProxyContext): Promise<number | undefined> {
  const pid = parsePidFile((await host.read(files.pid)) ?? '')
  return pid !== undefined && (await isOurs(pid, real.files.config)) ? pid : undefined
}

/** The master among processes of ours: the one that has a child among them. A worker without a master ends by itself. */
export function masterAmong(processes: readonly OwnProcess[]): number | undefined {
  return processes.find(({ pid }) => processes.some(({ parent }) => parent === pid))?.pid
}

/** The master, also when its pid file is lost; the file is then written again. */
export async function findMaster(context: ProxyContext): Promise<number | undefined> {
  const { host, files, real } = context
  const known = await readMaster(context)
  if (known !== undefined) return known
  const found = masterAmong(await findOurs(real.files.config))
  if (found !== undefined) await host.replace(files.pid, `${found}\n`, { mode: 0o644 })
  return found
}

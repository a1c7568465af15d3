import type { EffectOptions } from '@puppy/host'
import type { Runtime } from './socket.ts'

/** What a worker says about itself. */
export interface WorkerInfo {
  /** The worker's process id; the master's is in the pid file. */
  readonly pid: number
  readonly version: string
  /** Which configuration it was started with; see `renderConfig`. */
  readonly description?: string
  /** Seconds since the worker started. */
  readonly uptime: number
  /** Connections open now. */
  readonly connections: number
}

/**
 * Parses the reply to `show info`: lines of `Name: value`. Undefined when it has no pid: every worker has one.
 *
 * @see HAProxy management guide, 9.3 "show info"
 */
export function parseInfo(text: string): WorkerInfo | undefined {
  const fields = new Map(
    text.split('\n').map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, Math.max(colon, 0)), line.slice(colon + 1).trim()] as const
    }),
  )
  const pid = Number(fields.get('Pid'))
  if (!Number.isSafeInteger(pid) || pid < 1) return undefined
  const description = fields.get('description')
  return {
    pid,
    version: fields.get('Version') ?? '',
    ...(description === undefined ? {} : { description }),
    uptime: Number(fields.get('Uptime_sec') ?? 0) || 0,
    connections: Number(fields.get('CurrConns') ?? 0) || 0,
  }
}

/** Asks the worker who it is. Undefined when the reply is invalid. @throws HaproxyError as `Runtime.send` */
export async function readInfo(runtime: Runtime, options: EffectOptions = {}): Promise<WorkerInfo | undefined> {
  return parseInfo(await runtime.send(['show', 'info'], options))
}

import type { EffectOptions } from '@puppy/host'
import type { Runtime } from './socket.ts'

/** The information that a worker reports about itself. */
export interface WorkerInfo {
  /** The process id of the worker. The pid file contains the process id of the master. */
  readonly pid: number
  readonly version: string
  /** The description of the configuration that it was started with; see `renderConfig`. */
  readonly description?: string
  /** Seconds since the worker started. */
  readonly uptime: number
  /** How many connections are open now. */
  readonly connections: number
}

/**
 * Parses the reply to `show info`: lines of `Name: value`. Returns undefined when it has no valid `Pid` line. Never throws.
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

/** Reads the worker's information about itself. Undefined when the reply is invalid. @throws HaproxyError as `Runtime.send` */
export async function readInfo(runtime: Runtime, options: EffectOptions = {}): Promise<WorkerInfo | undefined> {
  return parseInfo(await runtime.send(['show', 'info'], options))
}

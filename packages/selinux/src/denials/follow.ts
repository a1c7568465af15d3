import { setTimeout as sleep } from 'node:timers/promises'
import type { Host, Place } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import type { Denial } from './denial.ts'
import { auditLog, denialsOf } from './read.ts'

export interface FollowOptions {
  /** The SELinux user whose denials are followed. Default `puppy_u`. */
  readonly user?: string
  /** Whether the denials that are already in the log come first. Default false. */
  readonly past?: boolean
  /** Milliseconds between two readings. Default 1,000. */
  readonly interval?: number
  /** Ends the stream, without an error. */
  readonly signal?: AbortSignal
}

/**
 * Follows the denials of tenants as auditd(8) writes them. Yields each denial once, also when the log is rotated. Needs root.
 *
 * When the promise resolves, the position in the log is known, and every later denial is yielded. Starts no process: reads the log from
 * that position.
 *
 * @throws SelinuxError `SELINUX_NOT_INSTALLED` without an audit log; HostError `HOST_READ_FAILED`.
 * @example for await (const denial of await followDenials(host)) console.log(denial)
 */
export async function followDenials(
  host: Host,
  options: FollowOptions = {},
): Promise<AsyncGenerator<Denial, void, undefined>> {
  const end = (await host.readLines(auditLog, 'end')) ?? missing()
  return follow(host, options.past === true ? undefined : end.place, options)
}

async function* follow(
  host: Host,
  start: Place | undefined,
  { user = 'puppy_u', interval = 1000, signal }: FollowOptions,
): AsyncGenerator<Denial, void, undefined> {
  for (let place = start; signal?.aborted !== true;) {
    const read = await readOn(host, place)
    place = read.place
    yield* denialsOf(read.lines, user)
    if (read.lines.length === 0) await sleep(interval, undefined, { signal }).catch(() => {})
  }
}

function missing(): never {
  const facts = { detail: 'the file does not exist; auditd writes it', steps: ['apt-get install auditd'] }
  throw new SelinuxError('SELINUX_NOT_INSTALLED', { operation: 'follow the denials in', target: auditLog, ...facts })
}

/** Reads a rotated log to its end before the new log. Between the two renames of a rotation, no log exists. */
async function readOn(host: Host, place: Place | undefined) {
  const read = await host.readLines(auditLog, place)
  if (place === undefined || read?.restarted === false) return read ?? { lines: [], place }
  const rest = await host.readLines(`${auditLog}.1`, place)
  const unread = rest?.restarted === false && rest.lines.length > 0
  return unread ? rest : (read ?? { lines: [], place })
}

import type { FastifyRequest } from 'fastify'
import type { HostRow } from '@puppy/state/store/hosts'
import type { Awaited, Observer } from './observer.ts'
import type { PreferHeader } from './schemas/common.ts'

const longest = 60
const usual = 10

/** Returns how many seconds the caller wants to wait: `wait=N` or `respond-async` of RFC 7240. Ignores every other preference. */
export function parsePrefer(header: string | undefined): number {
  const preferences = (header ?? '')
    .toLowerCase()
    .split(/[,;]/)
    .map((part) => part.trim())
  if (preferences.includes('respond-async')) return 0
  const wait = preferences
    .map((part) => /^wait\s*=\s*"?(\d+)"?$/.exec(part)?.[1])
    .find((seconds) => seconds !== undefined)
  return wait === undefined ? usual : Math.min(Number(wait), longest)
}

/** Waits until the agent has tried to apply a row. Does not wait if the agent has not reported in the last 10 seconds. */
export async function waitForHost(
  request: FastifyRequest<{ Headers: PreferHeader }>,
  observer: Observer,
  host: HostRow | undefined,
  what: Awaited,
): Promise<void> {
  const seconds = parsePrefer(request.headers.prefer)
  if (seconds > 0 && host?.alive === true) await observer.wait(what, seconds * 1000)
}

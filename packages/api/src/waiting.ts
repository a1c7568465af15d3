import type { FastifyRequest } from 'fastify'
import type { HostRow } from '@puppy/state/store/hosts'
import type { Awaited, Observer } from './observer.ts'
import type { PreferHeader } from './schemas/common.ts'

const longest = 60
const usual = 10

/** How many seconds the caller would wait: `wait=N` or `respond-async` of RFC 7240; anything else is not understood. */
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

/** Waits until the host has looked, unless nobody is there to look. */
export async function waitForHost(
  request: FastifyRequest<{ Headers: PreferHeader }>,
  observer: Observer,
  host: HostRow | undefined,
  what: Awaited,
): Promise<void> {
  const seconds = parsePrefer(request.headers.prefer)
  if (seconds > 0 && host?.alive === true) await observer.wait(what, seconds * 1000)
}

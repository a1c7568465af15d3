import type { EffectOptions } from '@puppy/host'
import { HaproxyError, isHaproxyError } from '../errors.ts'
import type { Runtime } from './socket.ts'

/** The usage of a tenant since HAProxy started, or since `clearUsage` removed its row. */
export interface TenantUsage {
  readonly slot: number
  /** Requests for the tenant, including those that HAProxy answered itself. Requests during a suspension are not counted. */
  readonly requests: number
  /** Bytes from clients, and bytes to clients. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** How many requests are being served now. */
  readonly connections: number
  /** Failed answers of the tenant: most 5xx answers, and answers that broke off or timed out. Refused connections are not counted. */
  readonly errors: number
  /** Answers of the tenant itself, by the first digit of the status. */
  readonly status: { readonly '2xx': number; readonly '3xx': number; readonly '4xx': number; readonly '5xx': number }
}

/** The result of clearing the row of one slot. */
export interface ClearedUsage {
  readonly slot: number
  /** Why the row was not cleared. Absent when it was. */
  readonly error?: HaproxyError
}

/**
 * Parses the reply to `show table tenants`.
 *
 * ```
 * # table: tenants, type: integer, size:2816, used:1
 * 0x55ffe34a2ec0: key=0 use=0 exp=0 conn_cur=0 http_req_cnt=3 … gpc0=2 gpc1=0 gpc2=1 gpc3=0
 * ```
 *
 * Ignores fields that later versions add (`shard=`).
 *
 * @throws HaproxyError `HAPROXY_REPLY_UNKNOWN` for any other line.
 */
export function parseUsage(text: string): readonly TenantUsage[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => parseUsageLine(line))
}

function parseUsageLine(line: string): TenantUsage {
  const fields = new Map(
    [...line.matchAll(/(?<![A-Za-z0-9_()])([A-Za-z0-9_()]+)=([0-9]+)/g)].map((pair) => [pair[1], Number(pair[2])]),
  )
  const field = (name: string) => fields.get(name) ?? 0
  const slot = fields.get('key')
  if (slot === undefined || !line.startsWith('0x')) {
    throw new HaproxyError('HAPROXY_REPLY_UNKNOWN', { operation: 'parse the reply to show table', value: line })
  }
  return {
    slot,
    requests: field('http_req_cnt'),
    bytesIn: field('bytes_in_cnt'),
    bytesOut: field('bytes_out_cnt'),
    connections: field('conn_cur'),
    errors: field('http_fail_cnt'),
    status: { '2xx': field('gpc0'), '3xx': field('gpc1'), '4xx': field('gpc2'), '5xx': field('gpc3') },
  }
}

/** Reads the usage of every tenant, ordered by slot. @throws HaproxyError as `Runtime.send`, `HAPROXY_REPLY_UNKNOWN` */
export async function readUsage(runtime: Runtime, options: EffectOptions = {}): Promise<readonly TenantUsage[]> {
  const usage = parseUsage(await runtime.send(['show', 'table', 'tenants'], options))
  return usage.toSorted((one, other) => one.slot - other.slot)
}

/**
 * Removes the rows of these slots, and reads back whether they are empty.
 *
 * When HAProxy does not run, no row exists and every slot counts as cleared. A slot that is not a whole number is refused; the other slots
 * are cleared.
 *
 * @throws HaproxyError as `Runtime.sendMany`
 */
export async function clearUsage(
  runtime: Runtime,
  slots: readonly number[],
  options: EffectOptions = {},
): Promise<readonly ClearedUsage[]> {
  const valid = [...new Set(slots)].filter((slot) => isSlot(slot))
  const left = await clearRows(runtime, valid, options)
  return slots.map((slot) => {
    if (!isSlot(slot)) return failed(slot, 'HAPROXY_ROUTE_INVALID', 'a slot must be a whole number, 0 or greater')
    if (!left.has(slot)) return { slot }
    return failed(
      slot,
      'HAPROXY_READBACK_DIFFERS',
      'its row still counts, because requests are being served; try again after they end',
    )
  })
}

async function clearRows(runtime: Runtime, slots: readonly number[], options: EffectOptions): Promise<Set<number>> {
  if (slots.length === 0) return new Set()
  try {
    await runtime.sendMany(
      slots.map((slot) => ['clear', 'table', 'tenants', 'key', String(slot)]),
      options,
    )
    const usage = await readUsage(runtime, options)
    return new Set(usage.filter((row) => row.requests > 0 || row.bytesIn > 0).map((row) => row.slot))
  } catch (error) {
    if (isHaproxyError(error, 'HAPROXY_NOT_RUNNING')) return new Set()
    throw error
  }
}

function isSlot(slot: number): boolean {
  return Number.isSafeInteger(slot) && slot >= 0
}

function failed(
  slot: number,
  code: 'HAPROXY_ROUTE_INVALID' | 'HAPROXY_READBACK_DIFFERS',
  detail: string,
): ClearedUsage {
  const operation = `clear the usage of slot ${slot}`
  return { slot, error: new HaproxyError(code, { operation, detail }) }
}

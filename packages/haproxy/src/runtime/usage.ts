import type { EffectOptions } from '@puppy/host'
import { HaproxyError, isHaproxyError } from '../errors.ts'
import type { Runtime } from './socket.ts'

/** What a tenant has used since its row began: since HAProxy started, or since `clearUsage`. */
export interface TenantUsage {
  readonly slot: number
  /** Requests that came for the tenant, those that HAProxy answered for it included; not those while suspended. */
  readonly requests: number
  /** Bytes from and to clients. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Requests being served now. */
  readonly connections: number
  /** Answers of the tenant that failed: most of 5xx, broken off, or timed out. Refused connections are not in it. */
  readonly errors: number
  /** Answers of the tenant itself by the first digit of the status. */
  readonly status: { readonly '2xx': number; readonly '3xx': number; readonly '4xx': number; readonly '5xx': number }
}

/** What became of clearing one slot's row. */
export interface ClearedUsage {
  readonly slot: number
  /** Why the row still counts. Absent: it is cleared. */
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
 * Later versions add fields (`shard=`); they are passed over.
 *
 * @throws HaproxyError `HAPROXY_REPLY_UNKNOWN` for a line of another shape.
 */
export function parseUsage(text: string): readonly TenantUsage[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => parseUsageLine(line))
}

function parseUsageLine(line: string): TenantUsage {
  const fields = new Map([...line.matchAll(/([A-Za-z0-9_()]+)=([0-9]+)/g)].map((pair) => [pair[1], Number(pair[2])]))
  const field = (name: string) => fields.get(name) ?? 0
  const slot = fields.get('key')
  if (slot === undefined || !line.startsWith('0x')) {
    throw new HaproxyError('HAPROXY_REPLY_UNKNOWN', { operation: 'show table', value: line })
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

/** Reads every tenant's row, by slot. @throws HaproxyError as `Runtime.send`, `HAPROXY_REPLY_UNKNOWN` */
export async function readUsage(runtime: Runtime, options: EffectOptions = {}): Promise<readonly TenantUsage[]> {
  const usage = parseUsage(await runtime.send(['show', 'table', 'tenants'], options))
  return usage.toSorted((one, other) => one.slot - other.slot)
}

/**
 * Removes the rows of these slots and reads back that nothing is left in them.
 *
 * Without a running HAProxy no row exists, and every slot is cleared. A slot that is no whole number is refused alone.
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
    if (!isSlot(slot)) return failed(slot, 'HAPROXY_ROUTE_INVALID', 'a slot is a whole number from 0')
    if (!left.has(slot)) return { slot }
    return failed(slot, 'HAPROXY_READBACK_DIFFERS', 'its row still counts; requests for it are being served')
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

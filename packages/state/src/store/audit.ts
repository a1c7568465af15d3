import { createHash } from 'node:crypto'
import type { Queryable } from '../database/pool.ts'
import type { Caller } from './keys.ts'

/** The caller of a request, its address and the id of the request. */
export interface Actor {
  readonly caller: Caller
  readonly address: string
  readonly requestId: string
}

/** A write of a caller. */
export interface AuditEntry {
  readonly action: string
  readonly target: string
  /** The spec before the write. Absent: the resource did not exist. */
  readonly before?: object
  /** The spec that the write set. Absent: the resource was deleted. */
  readonly after?: object
}

/** Characters of a value as JSON, beyond which an entry has only its digest. It bounds an entry, because a spec has a few fields. */
const longest = 256

/** Records a write in the audit table. Runs in the transaction of that write, so neither exists without the other. */
export async function writeAudit(tx: Queryable, actor: Actor, entry: AuditEntry): Promise<void> {
  await tx.query(
    'insert into audit (key_id, reseller, address, request_id, action, target, details) values ($1, $2, $3, $4, $5, $6, $7)',
    [
      actor.caller.key,
      actor.caller.reseller,
      actor.address,
      actor.requestId,
      entry.action,
      entry.target,
      JSON.stringify(auditDetails(entry)),
    ],
  )
}

/**
 * Returns what the audit keeps of a write: a digest of the new spec, and the fields that differ from the old spec. Pure.
 *
 *     { "sha256": "9f86…", "changed": { "state": "suspended", "sshKeys": { "sha256": "60303…", "bytes": 4123 } } }
 *
 * A field that the new spec does not have is null. A long value is a digest and its length in bytes.
 */
export function auditDetails({ before = {}, after }: Pick<AuditEntry, 'before' | 'after'>): object {
  if (after === undefined) return {}
  const [old, fresh] = [jsonOf(before), jsonOf(after)]
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted()
  const changed = names.filter((name) => old.get(name) !== fresh.get(name))
  return {
    sha256: sha256(JSON.stringify([...fresh])),
    changed: Object.fromEntries(changed.map((name) => [name, shortened(fresh.get(name))])),
  }
}

/** Returns each field as JSON with sorted keys, by name. PostgreSQL does not keep the order of the keys of a value. */
function jsonOf(spec: object): ReadonlyMap<string, string> {
  const fields = Object.entries(spec).filter(([, value]) => value !== undefined)
  return new Map(fields.toSorted(byName).map(([name, value]) => [name, JSON.stringify(value, sortedKeys)]))
}

function sortedKeys(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).toSorted(byName))
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1
}

function shortened(json: string | undefined): unknown {
  if (json === undefined) return null
  return json.length <= longest ? JSON.parse(json) : { sha256: sha256(json), bytes: Buffer.byteLength(json) }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** How much of the audit is kept. */
export interface Retention {
  /** Days after which an entry is deleted. The database does not accept less than 7. */
  readonly days: number
  /** Entries of one reseller. Older ones are deleted, so that one reseller cannot fill the disk. At least 1,000. */
  readonly entries: number
}

const batch = 1000

/** Deletes audit entries that need not be kept, in batches, and at most `batches` of them. Returns the number of deleted entries. */
export async function trimAudit(db: Queryable, { days, entries }: Retention, batches = 20): Promise<number> {
  let total = 0
  for (let n = 0; n < batches; n += 1) {
    const [row] = await db.query<{ deleted: number }>('select trim_audit($1, $2, $3) as deleted', [
      days,
      entries,
      batch,
    ])
    const deleted = row?.deleted ?? 0
    total += deleted
    if (deleted < batch) break
  }
  return total
}

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Queryable } from '../database/pool.ts'

export type Scope = 'admin' | 'reseller'

/** The caller of a request. */
export interface Caller {
  readonly key: string
  readonly reseller: string
  readonly admin: boolean
}

interface KeyRow {
  readonly id: string
  readonly reseller: string
  readonly scopes: readonly Scope[]
  readonly secret: Buffer
}

const shape = /^puppy_([a-z0-9]{4,32})_([a-z0-9]{32,128})$/
// A secret of 192 random bits cannot be guessed from its digest, so a slow hash would only cost time.
const digest = (secret: string) => createHash('sha256').update(secret).digest()

/** Returns whether a text has the form of a key. */
export function isKey(text: string): boolean {
  return shape.test(text)
}

/** Makes a new key. Its text is shown once and never stored. */
export function generateKey(): string {
  return `puppy_${randomBytes(5).toString('hex')}_${randomBytes(24).toString('hex')}`
}

/** Inserts a key. An existing key with the same id gets this secret and these scopes. */
export async function insertKey(
  db: Queryable,
  key: string,
  owner: { readonly reseller: string; readonly scopes: readonly Scope[]; readonly label: string },
): Promise<void> {
  const [, id, secret] = shape.exec(key) ?? []
  if (id === undefined || secret === undefined) throw new TypeError('A key has the form puppy_<id>_<secret>')
  await db.query(
    `insert into keys as k (id, reseller, scopes, secret_sha256, label) values ($1, $2, $3, $4, $5)
     on conflict (id) do update set secret_sha256 = excluded.secret_sha256, scopes = excluded.scopes, revoked_at = null
     where k.secret_sha256 <> excluded.secret_sha256`,
    [id, owner.reseller, owner.scopes, digest(secret), owner.label],
  )
}

/** Revokes every other key with this label. */
export async function revokeOthers(db: Queryable, key: string, label: string): Promise<void> {
  await db.query('update keys set revoked_at = now() where label = $1 and id <> $2 and revoked_at is null', [
    label,
    shape.exec(key)?.[1] ?? '',
  ])
}

/** Returns the caller of a key, or undefined for a malformed, unknown, wrong, expired or revoked key. It does not say which. */
export async function findCaller(db: Queryable, key: string): Promise<Caller | undefined> {
  const [, id, secret] = shape.exec(key) ?? []
  if (id === undefined || secret === undefined) return undefined
  const rows = await db.query<KeyRow>(
    `select id, reseller, scopes, secret_sha256 as secret from keys
     where id = $1 and revoked_at is null and (expires_at is null or expires_at > now())`,
    [id],
  )
  const row = rows[0]
  if (row === undefined || !timingSafeEqual(row.secret, digest(secret))) return undefined
  return { key: row.id, reseller: row.reseller, admin: row.scopes.includes('admin') }
}

import { readdirSync, readFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import pg from 'pg'
import { StartError } from '../errors.ts'
import type { Database } from './pool.ts'

const folder = new URL('./migrations/', import.meta.url)
/** Any number. All programs that migrate the same database must use the same one. */
const migrationLock = 7_077_079

export interface Migration {
  readonly name: string
  readonly sql: string
  readonly sha256: string
}

/** Reads the SQL files in the order of their numbers. */
export function readMigrations(): readonly Migration[] {
  return readdirSync(folder)
    .filter((file) => /^\d{4}_.*\.sql$/.test(file))
    .toSorted()
    .map((file) => {
      const sql = readFileSync(new URL(file, folder), 'utf8')
      return { name: file.replace('.sql', ''), sql, sha256: createHash('sha256').update(sql).digest('hex') }
    })
}

/**
 * Applies all missing migrations in one transaction, one migrator at a time. Returns their names.
 *
 * @throws StartError if an applied migration has changed since, or the database is newer than this program.
 */
export async function migrate(
  owner: Database,
  migrations: readonly Migration[] = readMigrations(),
): Promise<readonly string[]> {
  return owner.transaction(async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [migrationLock])
    await tx.query(
      'create table if not exists migrations (name text primary key, sha256 text not null, applied_at timestamptz not null default now())',
    )
    const applied = await tx.query<{ name: string; sha256: string }>(
      'select name, sha256 from migrations order by name',
    )
    assertHistory(applied, migrations)
    const missing = migrations.slice(applied.length)
    for (const { name, sql, sha256 } of missing) {
      await tx.query(sql)
      await tx.query('insert into migrations (name, sha256) values ($1, $2)', [name, sha256])
    }
    return missing.map(({ name }) => name)
  })
}

function assertHistory(applied: readonly { name: string; sha256: string }[], migrations: readonly Migration[]): void {
  for (const [index, { name, sha256 }] of applied.entries()) {
    const ours = migrations[index]
    if (ours === undefined)
      throw new StartError(
        `The database has the migration ${name}, which this version does not know; use a newer version`,
      )
    if (ours.name !== name || ours.sha256 !== sha256) {
      throw new StartError(
        `The database was migrated by another version: its ${name} differs from ${ours.name} of this one; use that version`,
      )
    }
  }
}

/** Grants the roles of the API and of the agent exactly the rights that they need. Both may be the same role. */
export async function grant(owner: Database, roles: { readonly api: string; readonly agent: string }): Promise<void> {
  const names: Record<string, string> = {
    ':api': pg.escapeIdentifier(roles.api),
    ':agent': pg.escapeIdentifier(roles.agent),
  }
  const statements = readFileSync(new URL('grants.sql', folder), 'utf8')
    .replaceAll(/(?<![^\n])--[^\n]*/g, '')
    .split(';')
    .filter((statement) => statement.trim() !== '')
    .map((statement) => statement.replaceAll(/:(api|agent)\b/g, (name) => names[name] ?? name))
  await owner.transaction(async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [migrationLock])
    const [self] = await tx.query<{ name: string }>('select current_user as name')
    // An owner that is also one of the roles would revoke its own rights.
    const mixed = self !== undefined && [roles.api, roles.agent].includes(self.name)
    for (const statement of statements) {
      if (!(mixed && statement.trim().startsWith('revoke'))) await tx.query(statement)
    }
  })
}

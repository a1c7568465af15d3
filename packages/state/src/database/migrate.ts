import { readdirSync, readFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import pg from 'pg'
import { errno } from '@puppy/host/errors'
import { StartError } from '../errors.ts'
import type { Database, Queryable } from './pool.ts'

const folder = new URL('./migrations/', import.meta.url)

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
  await ensureHistory(owner)
  return owner.transaction(async (tx) => {
    await lockHistory(tx)
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

/** Creates the table of migrations. Two sessions that create it at once: PostgreSQL refuses one of them, which then finds the table. */
async function ensureHistory(owner: Database): Promise<void> {
  const create =
    'create table if not exists migrations (name text primary key, sha256 text not null, applied_at timestamptz not null default now())'
  await owner.query(create).catch((error: unknown) => {
    if (!['23505', '42P07'].includes(errno(error) ?? '')) throw error
    return owner.query(create)
  })
}

/** Waits for another migrator. Only the owner may take this lock, so the API's role cannot delay a migration by it. */
async function lockHistory(tx: Queryable): Promise<void> {
  await tx.query('lock table migrations in share row exclusive mode')
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
  await owner.transaction(async (tx) => {
    await lockHistory(tx)
    const [self] = await tx.query<{ name: string; database: string }>(
      'select current_user as name, current_database() as database',
    )
    const statements = readStatements('grants.sql', {
      ':api': pg.escapeIdentifier(roles.api),
      ':agent': pg.escapeIdentifier(roles.agent),
      ':database': pg.escapeIdentifier(self?.database ?? ''),
    })
    // An owner that is also one of the roles would revoke its own rights.
    const mixed = self !== undefined && [roles.api, roles.agent].includes(self.name)
    for (const statement of statements) {
      if (!(mixed && statement.trim().startsWith('revoke'))) await tx.query(statement)
    }
  })
}

/**
 * Takes from the API's role what PostgreSQL lets every role do, and what no grant covers: see `confine.sql`. Needs a superuser, as the owner
 * of the embedded database is.
 */
export async function confine(owner: Database, roles: { readonly api: string }): Promise<void> {
  await owner.transaction(async (tx) => {
    await lockHistory(tx)
    for (const statement of readStatements('confine.sql', { ':api': pg.escapeIdentifier(roles.api) }))
      await tx.query(statement)
  })
}

/**
 * Reads the statements of a file. Each ends with a semicolon at the end of a line, and its further lines are indented. Replaces names such as
 * `:api`.
 */
function readStatements(file: string, names: Readonly<Record<string, string>>): readonly string[] {
  return readFileSync(new URL(file, folder), 'utf8')
    .replaceAll(/(?<![^\n])--[^\n]*/g, '')
    .split(/;\n(?! )/)
    .filter((statement) => statement.trim() !== '')
    .map((statement) => statement.replaceAll(/:(api|agent|database)\b/g, (name) => names[name] ?? name))
}

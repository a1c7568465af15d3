import { errno } from '@puppy/host/errors'
import pg from 'pg'
import { DatabaseError } from '../errors.ts'

/** A dedicated connection, for LISTEN and session locks. */
export type Connection = pg.Client

/** What runs single statements: a pool, or a client inside a transaction. */
export interface Queryable {
  query<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>
}

export interface Database extends Queryable {
  /**
   * Runs `work` in one transaction. An error that it throws rolls back all of it. After a deadlock `work` runs again, so it must contain
   * only statements.
   */
  transaction<Value>(work: (tx: Queryable) => Promise<Value>): Promise<Value>
  /** Runs several statements in one read-only transaction. All of them see the same state of the database. */
  snapshot<Value>(work: (tx: Queryable) => Promise<Value>): Promise<Value>
  /** Opens a dedicated connection, for LISTEN and session locks. The caller ends it. */
  connect(): Promise<Connection>
  end(): Promise<void>
}

export interface DatabaseOptions {
  readonly url: string
  /** Shown in pg_stat_activity. */
  readonly name: string
  /** The maximum number of connections. Default: 10. */
  readonly connections?: number
  /** Milliseconds that a statement waits for a row or table that another session has locked. Default: as long as a statement may take. */
  readonly lockTimeout?: number
}

const { INT8, TIMESTAMPTZ } = pg.types.builtins

const types = {
  getTypeParser: (oid: number): ((value: string) => unknown) =>
    oid === INT8 ? parseInteger : oid === TIMESTAMPTZ ? parseTime : pg.types.getTypeParser(oid, 'text'),
}

/** 64-bit integers: ours stay below 2^53, and strings would compare by their characters. A larger one is the largest safe integer. */
function parseInteger(text: string): number {
  return Math.min(Math.max(Number(text), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
}

const first = Date.parse('0001-01-01T00:00:00Z')
const last = Date.parse('9999-12-31T23:59:59.999Z')
const readTime = pg.types.getTypeParser(TIMESTAMPTZ, 'text') as (text: string) => Date | number

/** `infinity`, and years that RFC 3339 cannot write, are the last or the first moment that it can. */
function parseTime(text: string): Date {
  const time = Number(readTime(text))
  if (Number.isNaN(time)) return new Date(text.endsWith('BC') ? first : last)
  return new Date(Math.min(Math.max(time, first), last))
}

/** Opens a pool of connections. It connects at the first statement. */
export function openDatabase(options: DatabaseOptions): Database {
  const settings: pg.PoolConfig = {
    connectionString: options.url,
    application_name: options.name,
    statement_timeout: 30_000,
    idle_in_transaction_session_timeout: 30_000,
    connectionTimeoutMillis: 5000,
    keepAlive: true,
    types,
    ...(options.lockTimeout === undefined ? {} : { lock_timeout: options.lockTimeout }),
  }
  const pool = new pg.Pool({ ...settings, max: options.connections ?? 10 })
  // The pool replaces a connection that breaks while idle. Without a listener Node would end the process.
  pool.on('error', () => {})
  // If a connection breaks inside a transaction, its statement fails. Without a listener the event would end the process too.
  pool.on('connect', (client) => client.on('error', () => {}))
  return {
    query: (text, values) => retried(() => run(pool, text, values)),
    transaction: (work) => retried(() => inTransaction(pool, 'begin', work)),
    snapshot: (work) => inTransaction(pool, 'begin isolation level repeatable read read only', work),
    connect: () => connect(settings),
    end: () => pool.end(),
  }
}

async function run<Row extends pg.QueryResultRow>(
  target: pg.Pool | pg.ClientBase,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  try {
    const { rows } = await target.query<Row>(text, [...values])
    return rows
  } catch (error) {
    throw asUnavailable(error)
  }
}

/** Returns a DatabaseError for an error that means that the database is unavailable. Returns the error of a refused statement unchanged. */
export function asUnavailable(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const code = 'code' in error ? String(error.code) : ''
  // An SQLSTATE has five characters, and so has EPIPE. No class of SQLSTATE begins with E.
  const refused = /^[0-9A-DF-Z][0-9A-Z]{4}$/.test(code) && !/^(08|57P|53)/.test(code)
  if (refused) return error
  return new DatabaseError('The database does not answer; try again in a few seconds', { cause: error })
}

/** Runs work again after a deadlock. PostgreSQL has then rolled back one of the two transactions, so it changed nothing. */
async function retried<Value>(work: () => Promise<Value>): Promise<Value> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (attempt >= 4 || !['40P01', '40001'].includes(errno(error) ?? '')) throw error
    }
  }
}

async function inTransaction<Value>(
  pool: pg.Pool,
  begin: string,
  work: (tx: Queryable) => Promise<Value>,
): Promise<Value> {
  const client = await pool.connect().catch((error: unknown) => {
    throw asUnavailable(error)
  })
  let broken = false
  try {
    await run(client, begin)
    const value = await work({ query: (text, values) => run(client, text, values) })
    await run(client, 'commit')
    return value
  } catch (error) {
    await client.query('rollback').catch(() => (broken = true))
    throw error
  } finally {
    client.release(broken)
  }
}

async function connect(settings: pg.PoolConfig): Promise<pg.Client> {
  const client = new pg.Client(settings)
  client.on('error', () => {})
  await client.connect().catch((error: unknown) => {
    throw asUnavailable(error)
  })
  return client
}

import { errno } from '@puppy/host/errors'
import pg from 'pg'
import { DatabaseError } from '../errors.ts'

/** A connection of its own, which listens and holds locks of the session. */
export type Connection = pg.Client

/** One statement: a pool does it, and so does a client inside a transaction. */
export interface Queryable {
  query<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>
}

export interface Database extends Queryable {
  /**
   * Runs `work` in one transaction; anything that it throws rolls everything back. After a deadlock it is run again, so
   * it does nothing but statements.
   */
  transaction<Value>(work: (tx: Queryable) => Promise<Value>): Promise<Value>
  /** Several statements that all see one and the same moment; nothing is written. */
  snapshot<Value>(work: (tx: Queryable) => Promise<Value>): Promise<Value>
  /** A connection of its own, for LISTEN and session locks. The caller ends it. */
  connect(): Promise<Connection>
  end(): Promise<void>
}

export interface DatabaseOptions {
  readonly url: string
  /** Shown in pg_stat_activity. */
  readonly name: string
  /** Connections at most. Default 10. */
  readonly connections?: number
}

// Whole numbers of 64 bits: ours stay below 2^53, and a string would be compared as one.
const types = {
  getTypeParser: (oid: number): ((value: string) => unknown) =>
    oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, 'text'),
}

/** Opens a pool of connections; the first is made when the first statement comes. */
export function openDatabase(options: DatabaseOptions): Database {
  const settings: pg.PoolConfig = {
    connectionString: options.url,
    application_name: options.name,
    statement_timeout: 30_000,
    idle_in_transaction_session_timeout: 30_000,
    connectionTimeoutMillis: 5000,
    keepAlive: true,
    types,
  }
  const pool = new pg.Pool({ ...settings, max: options.connections ?? 10 })
  // A connection that breaks while idle is replaced by the pool; without a listener Node would end the process.
  pool.on('error', () => {})
  // One that breaks inside a transaction tells by the statement that fails; the event alone would end the process too.
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

/** A statement that the database refused stays what it is; a database that is not there is a code of ours. */
export function asUnavailable(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const code = 'code' in error ? String(error.code) : ''
  // An SQLSTATE has five characters, and so has EPIPE; no class of theirs begins with E.
  const refused = /^[0-9A-DF-Z][0-9A-Z]{4}$/.test(code) && !/^(08|57P|53)/.test(code)
  if (refused) return error
  return new DatabaseError('The database does not answer; try again in a few seconds', { cause: error })
}

/** Two that wait for each other: the database ends one of them, which has changed nothing and simply begins again. */
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

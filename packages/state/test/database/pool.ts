import t from 'tap'
import { asUnavailable, openDatabase } from '../../src/database/pool.ts'
import { DatabaseError } from '../../src/errors.ts'
import { startPostgres } from '../support/database.ts'

const postgres = await startPostgres(t)

void t.test('openDatabase() returns 64-bit integers as numbers', async (t) => {
  const { owner } = await postgres.create(t)
  t.strictSame(await owner.query('select 9007199254740991::int8 as big, $1::text as word', ['x']), [
    { big: 9_007_199_254_740_991, word: 'x' },
  ])
})

void t.test('transaction() commits, and rolls back after an error', async (t) => {
  const { owner } = await postgres.create(t)
  await owner.query('create table x (n int)')
  await owner.transaction((tx) => tx.query('insert into x values (1)'))
  const thrown = owner.transaction(async (tx) => {
    await tx.query('insert into x values (2)')
    throw new Error('no')
  })
  await t.rejects(thrown, { message: 'no' })
  t.strictSame(await owner.query('select n from x'), [{ n: 1 }])
})

void t.test('snapshot() sees one state of the database and refuses writes', async (t) => {
  const { owner } = await postgres.create(t)
  await owner.query('create table x (n int)')
  const counts = await owner.snapshot(async (tx) => {
    const before = await tx.query('select count(*)::int as n from x')
    await owner.query('insert into x values (1)')
    return [before, await tx.query('select count(*)::int as n from x')]
  })
  t.strictSame(counts, [[{ n: 0 }], [{ n: 0 }]])
  await t.rejects(
    owner.snapshot((tx) => tx.query('insert into x values (2)')),
    { code: '25006' },
  )
})

void t.test(
  'query() keeps the SQLSTATE of a refused statement, and throws database_unavailable without a server',
  async (t) => {
    const { owner } = await postgres.create(t)
    await t.rejects(owner.query('select nothing from nowhere'), { code: '42P01' })
    const away = openDatabase({ url: 'postgres://x@127.0.0.1:1/x', name: 'test' })
    t.teardown(() => away.end())
    await t.rejects(away.query('select 1'), { code: 'database_unavailable' })
    await t.rejects(
      away.transaction((tx) => tx.query('select 1')),
      { code: 'database_unavailable' },
    )
    await t.rejects(away.connect(), { code: 'database_unavailable' })
  },
)

void t.test('openDatabase() replaces an idle connection that the server closes', async (t) => {
  const { owner, api } = await postgres.create(t)
  await api.query('select 1')
  await owner.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'test api' and datname = current_database()`,
  )
  const again = async () => api.query('select 1 as one').catch(() => api.query('select 1 as one'))
  t.strictSame(await again(), [{ one: 1 }])
})

void t.test('transaction() fails if the server closes its connection, and the next query works', async (t) => {
  const { owner, api } = await postgres.create(t)
  const cut = api.transaction(async (tx) => {
    const [{ pid } = { pid: 0 }] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
    await owner.query('select pg_terminate_backend($1)', [pid])
    await new Promise((resolve) => setTimeout(resolve, 200))
    await tx.query('select 1')
  })
  await t.rejects(cut, { code: 'database_unavailable' })
  t.strictSame(await api.query('select 1 as one'), [{ one: 1 }], 'the process continues')
})

void t.test('asUnavailable() returns a value that is not an error unchanged', async (t) => {
  t.equal(asUnavailable('x'), 'x')
})

const codes: [title: string, code: string | undefined, unavailable: boolean][] = [
  ['a server that shuts down', '57P01', true],
  ['a server that starts up', '57P03', true],
  ['a connection failure', '08006', true],
  ['too many connections', '53300', true],
  ['no socket', 'ENOENT', true],
  ['a port without a server', 'ECONNREFUSED', true],
  ['a connection that was closed', 'ECONNRESET', true],
  ['a pipe that broke', 'EPIPE', true],
  ['an error of the driver', undefined, true],
  ['a duplicate', '23505', false],
  ['a missing table', '42P01', false],
  ['a deadlock', '40P01', false],
  ['a statement that took too long', '57014', false],
  ['a transaction that idled too long', '25P03', false],
  ['an error raised in SQL', 'P0001', false],
  ['a bug of the server', 'XX000', false],
]
for (const [title, code, unavailable] of codes) {
  void t.test(`asUnavailable(): ${title} ${unavailable ? 'is' : 'is not'} an unavailable database`, async (t) => {
    const error = Object.assign(new Error(title), code === undefined ? {} : { code })
    const told = asUnavailable(error)
    t.equal(told instanceof DatabaseError, unavailable)
    t.equal(unavailable && told instanceof Error ? told.cause : told, error, 'the original error is kept')
  })
}

void t.test('transaction() returns its connection to the pool after every error', async (t) => {
  const { urls } = await postgres.create(t)
  const single = openDatabase({ url: urls.owner, name: 'single', connections: 1 })
  t.teardown(() => single.end())
  for (const sql of ['select nothing from nowhere', 'select 1 / 0', 'commit'])
    await single.transaction((tx) => tx.query(sql)).catch(() => {})
  t.strictSame(await single.query('select 1 as one'), [{ one: 1 }])
})

void t.test(
  'openDatabase() returns numbers and times that JavaScript does not hold as the nearest that it does',
  async (t) => {
    const { owner } = await postgres.create(t)
    const numbers = await owner.query(
      'select 9223372036854775807 as largest, -9223372036854775808 as smallest, 9007199254740992 as above, 7::bigint as seven',
    )
    t.strictSame(numbers, [
      { largest: Number.MAX_SAFE_INTEGER, smallest: Number.MIN_SAFE_INTEGER, above: Number.MAX_SAFE_INTEGER, seven: 7 },
    ])
    const [times] = await owner.query<Record<string, Date>>(
      `select 'infinity'::timestamptz as after, '-infinity'::timestamptz as before, '4713-01-01 BC'::timestamptz as bc,
       '294276-12-31'::timestamptz as late, '10000-01-01'::timestamptz as y10k, '2026-01-02T03:04:05Z'::timestamptz as usual`,
    )
    const texts = Object.fromEntries(Object.entries(times ?? {}).map(([key, time]) => [key, time.toISOString()]))
    const [first, last] = ['0001-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z']
    t.strictSame(texts, {
      after: last,
      before: first,
      bc: first,
      late: last,
      y10k: last,
      usual: '2026-01-02T03:04:05.000Z',
    })
  },
)

void t.test('openDatabase() waits for a lock at most for lockTimeout', async (t) => {
  const { owner, urls } = await postgres.create(t)
  const hasty = openDatabase({ url: urls.owner, name: 'test', connections: 1, lockTimeout: 50 })
  t.teardown(() => hasty.end())
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const { promise: locked, resolve: locks } = Promise.withResolvers<void>()
  const holding = owner.transaction(async (tx) => {
    await tx.query('lock table plans')
    locks()
    await released
  })
  await locked
  await t.rejects(hasty.query('select 1 from plans'), { code: '55P03' })
  release()
  await holding
})

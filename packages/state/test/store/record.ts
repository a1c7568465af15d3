import t from 'tap'
import { DatabaseError } from '../../src/errors.ts'
import { recordEach, recordOthers, renderJson } from '../../src/store/record.ts'
import type { Queryable } from '../../src/database/pool.ts'
import { startPostgres } from '../support/database.ts'

const postgres = await startPostgres(t)
const insert = (db: Queryable, items: readonly number[]) =>
  db.query('insert into numbers select unnest($1::bigint[])', [items])
const numbers = async (db: Queryable) =>
  (await db.query('select n from numbers order by n')).map(({ n }) => n as number)

void t.test('recordEach() uses one statement, and one for each item when it is refused', async (t) => {
  const { owner } = await postgres.create(t)
  await owner.query('create table numbers (n bigint check (n <> 3), by xid default pg_current_xact_id()::xid)')
  t.strictSame(await recordEach(owner, [], insert), [])
  t.strictSame(await recordEach(owner, [1, 2], insert), [])
  const statements = async () => (await owner.query('select distinct by::text from numbers')).length
  t.equal(await statements(), 1)
  const refused = await recordEach(owner, [3, 4, 2 ** 64, 5], insert)
  t.matchOnlyStrict(refused, [
    { item: 3, message: /check constraint/ },
    { item: 2 ** 64, message: /out of range/ },
  ])
  t.strictSame(await numbers(owner), [1, 2, 4, 5])
  await t.rejects(recordOthers(owner, [3, 6], insert), { message: /^1 of 2 could not be recorded: .*check constraint/ })
  t.strictSame(await numbers(owner), [1, 2, 4, 5, 6])
})

void t.test('recordEach() waits only a moment for a row that another session holds', async (t) => {
  const { owner, agent } = await postgres.create(t)
  await owner.query('create table numbers (n bigint primary key, seen boolean)')
  await owner.query('grant select, update on numbers to puppy_agent')
  await owner.query('insert into numbers select generate_series(1, 3)')
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const { promise: locked, resolve: locks } = Promise.withResolvers<void>()
  const holding = owner.transaction(async (tx) => {
    await tx.query('select 1 from numbers where n = 2 for update')
    locks()
    await released
  })
  await locked
  const update = (db: Queryable, items: readonly number[]) =>
    db.query('update numbers set seen = true where n = any($1) and $2 < 2', [items, items.length])
  const refused = await recordEach(agent, [1, 2, 3], async (db, items) =>
    items.length > 1 ? db.query('select 1 / 0') : update(db, items),
  )
  t.matchOnlyStrict(refused, [{ item: 2, message: /lock timeout/ }])
  t.strictSame(await owner.query('select n from numbers where seen order by n'), [{ n: 1 }, { n: 3 }])
  release()
  await holding
})

void t.test('recordEach() rejects when the database does not answer', async (t) => {
  const { owner } = await postgres.create(t)
  const error = new DatabaseError('gone')
  await t.rejects(
    recordEach(owner, [1], () => Promise.reject(error)),
    error,
  )
  await t.rejects(
    recordEach(owner, [1], (_db, items) => Promise.reject(_db === owner ? new Error(String(items)) : error)),
    error,
  )
})

void t.test('renderJson() renders what jsonb accepts', async (t) => {
  const { owner } = await postgres.create(t)
  const value = { message: `a\0b\ud800c\udc00`, long: 'x'.repeat(20_000), list: ['\0'], n: 1, good: '\u{1f600}' }
  const [row] = await owner.query<{ value: Record<string, unknown> }>('select $1::jsonb as value', [renderJson(value)])
  t.strictSame(row?.value, {
    message: 'a\uFFFDb\uFFFDc\uFFFD',
    long: 'x'.repeat(10_000),
    list: ['\uFFFD'],
    n: 1,
    good: '\u{1f600}',
  })
  t.equal(renderJson({ cut: `${'x'.repeat(9999)}\u{1f600}` }).includes('\\ud'), false, 'a pair is not cut in two')
})

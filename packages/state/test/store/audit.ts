import fc from 'fast-check'
import t from 'tap'
import { auditDetails, trimAudit, writeAudit } from '../../src/store/audit.ts'
import { startPostgres } from '../support/database.ts'
import { actor, addReseller, one } from '../support/rows.ts'

const postgres = await startPostgres(t)
const entry = { action: 'account.create', target: 'root/blog' }

void t.test('writeAudit() records the caller, the action, the address and the time', async (t) => {
  const { api, owner } = await postgres.create(t)
  await writeAudit(api, actor, { ...entry, after: { plan: 'small' } })
  await writeAudit(api, actor, entry)
  const common = { id: Number, at: Date, key_id: 'test', reseller: 'root', address: '127.0.0.1', request_id: 'r1' }
  t.matchOnlyStrict(await owner.query('select * from audit order by id'), [
    { ...common, ...entry, details: auditDetails({ after: { plan: 'small' } }) },
    { ...common, ...entry, details: {} },
  ])
})

void t.test('writeAudit() leaves no row if its transaction is rolled back', async (t) => {
  const { api, owner } = await postgres.create(t)
  const failing = api.transaction(async (tx) => {
    await writeAudit(tx, actor, entry)
    throw new Error('rolled back')
  })
  await t.rejects(failing, { message: 'rolled back' })
  t.match(await one(owner, 'select count(*)::int as count from audit'), { count: 0 })
})

void t.test('the API can add audit rows, and cannot change or delete them', async (t) => {
  const { agent, api } = await postgres.create(t)
  await writeAudit(api, actor, entry)
  await t.rejects(api.query(`update audit set target = 'other'`), { code: '42501' })
  await t.rejects(api.query('delete from audit'), { code: '42501' })
  await t.rejects(writeAudit(agent, actor, entry), { code: '42501' })
  await t.rejects(api.query('select trim_audit(7, 1000, 1000)'), { code: '42501' })
})

void t.test('auditDetails() returns the changed fields, and digests of long values', async (t) => {
  const spec = { plan: 'small', state: 'active', labels: { b: '1', a: '2' } }
  const { sha256, ...rest } = auditDetails({ after: spec }) as { sha256: string }
  t.match(sha256, /^[0-9a-f]{64}$/)
  t.strictSame(rest, { changed: spec })
  const same = { labels: { a: '2', b: '1' }, state: 'active', plan: 'small' }
  t.strictSame(auditDetails({ before: same, after: spec }), { sha256, changed: {} }, 'the order does not count')
  const { changed } = auditDetails({ before: { ...spec, disk: 1 }, after: { ...spec, plan: 'x'.repeat(300) } }) as {
    changed: object
  }
  t.matchOnlyStrict(changed, { disk: null, plan: { sha256: /^[0-9a-f]{64}$/, bytes: 302 } })
  t.strictSame(auditDetails({ before: spec }), {})
})

void t.test('auditDetails() is bounded by the number of fields', async () => {
  const value = fc.oneof(fc.string({ maxLength: 5000 }), fc.array(fc.string({ maxLength: 999 }), { maxLength: 50 }))
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), value, { maxKeys: 8 }), (after) => {
      const size = JSON.stringify(auditDetails({ after })).length
      return size <= 128 + Object.keys(after).length * 300
    }),
  )
})

/** Inserts entries of a reseller that are so many days old. */
const insertOld = `insert into audit (reseller, action, target, at)
  select $1, 'x', n::text, now() - make_interval(days => $3) from generate_series(1, $2) n`

void t.test('trimAudit() deletes old entries in batches, as the agent', async (t) => {
  const { agent, owner } = await postgres.create(t)
  const count = async (reseller: string) =>
    (await one(owner, 'select count(*)::int as count from audit where reseller = $1', reseller))['count']
  await owner.query(insertOld, ['root', 2500, 400])
  await owner.query(insertOld, ['root', 10, 300])
  const keep = { days: 365, entries: 50_000 }
  t.equal(await trimAudit(agent, keep, 1), 1000, 'one batch')
  t.equal(await trimAudit(agent, keep), 1500)
  t.equal(await count('root'), 10)
  await owner.query(insertOld, ['root', 10, 6])
  t.equal(await trimAudit(agent, { days: 0, entries: 0 }), 10, 'the database keeps seven days')
  t.equal(await count('root'), 10)
})

void t.test('trimAudit() keeps the newest entries of each reseller', async (t) => {
  const { agent, owner } = await postgres.create(t)
  const numbers = (reseller: string) =>
    owner.query('select min(target::int) as least, count(*)::int as count from audit where reseller = $1', [reseller])
  await addReseller(owner, 'acme')
  await owner.query(insertOld, ['acme', 3500, 0])
  await owner.query(insertOld, ['root', 1500, 0])
  t.equal(await trimAudit(agent, { days: 365, entries: 1200 }), 2300 + 300)
  t.strictSame(await numbers('acme'), [{ least: 2301, count: 1200 }])
  t.strictSame(await numbers('root'), [{ least: 301, count: 1200 }])
  t.equal(await trimAudit(agent, { days: 365, entries: 0 }), 400, 'the database keeps 1,000 of each')
})

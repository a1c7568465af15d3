import t from 'tap'
import { writeAudit } from '../../src/store/audit.ts'
import { startPostgres } from '../support/database.ts'
import { actor, one } from '../support/rows.ts'

const postgres = await startPostgres(t)
const entry = { action: 'account.create', target: 'root/blog' }

void t.test('writeAudit() records the caller, the action, the address and the time', async (t) => {
  const { api, owner } = await postgres.create(t)
  await writeAudit(api, actor, { ...entry, details: { plan: 'small' } })
  await writeAudit(api, actor, entry)
  const common = { id: Number, at: Date, key_id: 'test', reseller: 'root', address: '127.0.0.1', request_id: 'r1' }
  t.matchOnlyStrict(await owner.query('select * from audit order by id'), [
    { ...common, ...entry, details: { plan: 'small' } },
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
})

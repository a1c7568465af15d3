import t from 'tap'
import { countPlans, deletePlan, findPlan, listPlans, upsertPlan } from '../../src/store/plans.ts'
import { addHost, smallPlan, addAccount, addPlan, one } from '../support/rows.ts'
import { startPostgres } from '../support/database.ts'

const postgres = await startPostgres(t)

void t.test('upsertPlan() creates and replaces a plan, and writes nothing if it is equal', async (t) => {
  const { api, owner } = await postgres.create(t)
  const row = () => one(owner, 'select xmin::text, generation from plans')
  t.strictSame(await upsertPlan(api, 'small', smallPlan), { created: true, changed: true })
  const before = await row()
  const { ports, domains, ...rest } = smallPlan
  t.strictSame(await upsertPlan(api, 'small', { domains, ports, ...rest }), { created: false, changed: false })
  t.strictSame(await row(), before)
  t.strictSame(await upsertPlan(api, 'small', { ...smallPlan, ports: 4 }), { created: false, changed: true })
  t.match(await findPlan(api, 'small'), {
    name: 'small',
    spec: { ...smallPlan, ports: 4 },
    generation: 2,
    createdAt: Date,
  })
})

void t.test('findPlan() returns undefined for a plan that does not exist', async (t) => {
  t.equal(await findPlan((await postgres.create(t)).agent, 'small'), undefined)
})

void t.test('listPlans() returns pages by name', async (t) => {
  const { api } = await postgres.create(t)
  for (const name of ['c', 'a', 'b']) await addPlan(api, name)
  const list = async (after: string, limit: number) => (await listPlans(api, { after, limit })).map(({ name }) => name)
  t.strictSame(await list('', 2), ['a', 'b'])
  t.strictSame(await list('b', 2), ['c'])
  t.strictSame(await list('c', 2), [])
})

void t.test('deletePlan() returns whether the plan existed, and is refused while an account has it', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addPlan(api)
  t.equal(await deletePlan(api, 'small'), true)
  t.equal(await deletePlan(api, 'small'), false)
  await addHost(agent)
  await addPlan(api)
  await addAccount(api, 'blog')
  await t.rejects(deletePlan(api, 'small'), { code: '23503' })
})

void t.test('countPlans() counts plans', async (t) => {
  const { api } = await postgres.create(t)
  t.equal(await countPlans(api), 0)
  await upsertPlan(api, 'small', smallPlan)
  t.equal(await countPlans(api), 1)
})

import t from 'tap'
import { putPlan } from '../../src/actions/put-plan.ts'
import { findAccountsById } from '@puppy/state/store/accounts'
import { auditDetails } from '@puppy/state/store/audit'
import { insertDomain, updateDomain } from '@puppy/state/store/domains'
import { findPlan } from '@puppy/state/store/plans'
import { addHost, smallPlan, startPostgres, actor, addAccount } from '@puppy/state/testing'
import { pointersOf } from '../support/problem.ts'

const postgres = await startPostgres(t)

void t.test('putPlan() creates and replaces a plan, and does nothing if the spec is equal', async (t) => {
  const { api, owner } = await postgres.create(t)
  t.strictSame(await putPlan(api, actor, 'small', smallPlan), { created: true })
  t.strictSame(await putPlan(api, actor, 'small', smallPlan), { created: false })
  t.strictSame(await putPlan(api, actor, 'small', { ...smallPlan, ports: 4 }), { created: false })
  t.strictSame(await owner.query('select action, target, details from audit order by id'), [
    { action: 'plan.create', target: 'small', details: auditDetails({ after: smallPlan }) },
    {
      action: 'plan.replace',
      target: 'small',
      details: auditDetails({ before: smallPlan, after: { ...smallPlan, ports: 4 } }),
    },
  ])
})

void t.test('putPlan() creates one plan in concurrent calls', async (t) => {
  const { api } = await postgres.create(t)
  const answers = await Promise.all(Array.from({ length: 5 }, () => putPlan(api, actor, 'small', smallPlan)))
  t.equal(answers.filter(({ created }) => created).length, 1)
  t.match(await findPlan(api, 'small'), { generation: 1 })
})

void t.test('putPlan() increases the generation of the accounts of the plan, only if something changed', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent)
  for (const name of ['small', 'large']) await putPlan(api, actor, name, smallPlan)
  const ids = [await addAccount(api, 'blog'), await addAccount(api, 'shop', { plan: 'large' })]
  const generations = async () =>
    (await findAccountsById(api, ids)).toSorted((a, b) => a.id - b.id).map(({ generation }) => generation)
  await putPlan(api, actor, 'small', smallPlan)
  t.strictSame(await generations(), [1, 1])
  await putPlan(api, actor, 'small', { ...smallPlan, pids: { max: 64 } })
  t.strictSame(await generations(), [2, 1])
})

void t.test('putPlan() refuses to remove a port that a domain points to', async (t) => {
  const { agent, api, owner } = await postgres.create(t)
  await addHost(agent)
  await putPlan(api, actor, 'small', smallPlan)
  const account = await addAccount(api, 'blog')
  const domain = await insertDomain(api, 'blog.example', 'blog.example', account, 10_242)
  const refused = { code: 'plan_ports', message: /blog\.example/ }
  const error = await t.rejects(putPlan(api, actor, 'small', { ...smallPlan, ports: 2 }), refused)
  t.strictSame(pointersOf(error), ['/ports'])
  t.match(await findPlan(api, 'small'), { spec: { ports: 3 }, generation: 1 })
  t.strictSame(
    (await findAccountsById(api, [account])).map(({ generation }) => generation),
    [1],
    'no account was changed',
  )
  t.equal((await owner.query('select 1 from audit')).length, 1)
  await updateDomain(api, domain, account, 10_241)
  await t.resolves(putPlan(api, actor, 'small', { ...smallPlan, ports: 2 }))
})

void t.test('putPlan() refuses limits that contradict each other', async (t) => {
  const { api } = await postgres.create(t)
  const memory = { high: 2 * 2 ** 20, max: 2 ** 20 }
  const error = await t.rejects(putPlan(api, actor, 'small', { ...smallPlan, memory }), {
    code: 'plan_limits',
    message: /memory\.high: it is above memory\.max \(1048576\)/,
  })
  t.strictSame(pointersOf(error), ['/memory/high'])
  t.equal(await findPlan(api, 'small'), undefined)
  await t.resolves(putPlan(api, actor, 'small', { ...smallPlan, memory: { ...memory, high: memory.max } }))
})

void t.test('putPlan() refuses more plans than a thousand, and changes the existing ones', async (t) => {
  const { api, owner } = await postgres.create(t)
  await owner.query(`insert into plans (name, spec) select 'p' || n, $1 from generate_series(1, 1000) n`, [smallPlan])
  await t.rejects(putPlan(api, actor, 'more', smallPlan), { code: 'too_many_plans' })
  t.strictSame(await putPlan(api, actor, 'p7', { ...smallPlan, ports: 2 }), { created: false })
})

import t from 'tap'
import { removePlan } from '../../src/actions/delete-plan.ts'
import { markAccountDeleted } from '@puppy/state/store/accounts'
import { findPlan } from '@puppy/state/store/plans'
import { addHost, startPostgres, actor, addAccount, addPlan } from '@puppy/state/testing'

const postgres = await startPostgres(t)

void t.test('removePlan() deletes a plan, and does nothing if it does not exist', async (t) => {
  const { api, owner } = await postgres.create(t)
  await addPlan(api)
  await removePlan(api, actor, 'small')
  await removePlan(api, actor, 'small')
  t.equal(await findPlan(api, 'small'), undefined)
  t.strictSame(await owner.query('select action, target from audit'), [{ action: 'plan.delete', target: 'small' }])
})

void t.test('removePlan() refuses while an account has the plan, also an account that is being deleted', async (t) => {
  const { agent, api, owner } = await postgres.create(t)
  await addHost(agent)
  await addPlan(api)
  const id = await addAccount(api, 'blog')
  await t.rejects(removePlan(api, actor, 'small'), { code: 'plan_in_use' })
  await markAccountDeleted(api, id)
  await t.rejects(removePlan(api, actor, 'small'), { code: 'plan_in_use' })
  t.strictSame(await owner.query('select 1 from audit'), [])
})

void t.test('removePlan() throws other errors of the database unchanged', async (t) => {
  const { agent } = await postgres.create(t)
  await t.rejects(removePlan(agent, actor, 'small'), { code: '42501' })
})

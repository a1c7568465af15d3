import { defaultLayout, slotCount } from '@puppy/accounts'
import t from 'tap'
import type { ApiError } from '../../src/errors.ts'
import { putPool } from '../../src/actions/put-pool.ts'
import { auditDetails } from '@puppy/state/store/audit'
import { findHost } from '@puppy/state/store/hosts'
import { addHost, startPostgres, actor } from '@puppy/state/testing'

const postgres = await startPostgres(t)
const most = slotCount(defaultLayout)

void t.test('putPool() changes the pool, and does nothing if it is equal', async (t) => {
  const { agent, api, owner } = await postgres.create(t)
  await addHost(agent)
  await putPool(api, actor, 'h1', { free: 3, max: most })
  await putPool(api, actor, 'h1', { free: 3, max: most })
  t.match(await findHost(api, 'h1'), { poolFree: 3, poolMax: most, generation: 2 })
  const audit = await owner.query('select action, target, details from audit')
  t.strictSame(audit, [
    {
      action: 'pool.change',
      target: 'h1',
      details: auditDetails({ before: { free: 10, max: most }, after: { free: 3, max: most } }),
    },
  ])
})

void t.test('putPool() refuses more slots than the host has ports for', async (t) => {
  const { agent, api, owner } = await postgres.create(t)
  await addHost(agent)
  const error = await t.rejects(putPool(api, actor, 'h1', { free: 3, max: most + 1 }), { code: 'pool_max_invalid' })
  t.strictSame((error as ApiError).faults, [{ pointer: '/max', detail: `must be at most ${most}` }])
  t.match(await findHost(api, 'h1'), { poolFree: 10, generation: 1 })
  t.strictSame(await owner.query('select 1 from audit'), [])
})

void t.test('putPool() refuses a host that does not exist', async (t) => {
  const { api } = await postgres.create(t)
  await t.rejects(putPool(api, actor, 'h1', { free: 1, max: 1 }), { code: 'host_not_found' })
})

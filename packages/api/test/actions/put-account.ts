import t from 'tap'
import { putAccount } from '../../src/actions/put-account.ts'
import { removePlan } from '../../src/actions/delete-plan.ts'
import { findAccount, findAccountsById, markAccountDeleted } from '@puppy/state/store/accounts'
import { auditDetails } from '@puppy/state/store/audit'
import { insertDomain } from '@puppy/state/store/domains'
import type { ApiError } from '../../src/errors.ts'
import { removeAccount } from '../../src/actions/delete-account.ts'
import { setPool } from '@puppy/state/store/hosts'
import { upsertPlan } from '@puppy/state/store/plans'
import { countSlots, countWaiting, releaseSlot } from '@puppy/state/store/slots'
import {
  addHost,
  addReseller,
  smallPlan,
  sshKey,
  startPostgres,
  actor,
  addAccount,
  addPlan,
  untilBlocked,
  spec,
} from '@puppy/state/testing'
import { pointersOf } from '../support/problem.ts'

const postgres = await startPostgres(t)
const blog = { reseller: 'root', name: 'blog' }

async function prepare(t: Parameters<typeof postgres.create>[0], free = 2) {
  const databases = await postgres.create(t)
  await addHost(databases.agent, 'h1', free)
  await addPlan(databases.api)
  await addPlan(databases.api, 'large', { ports: 8, domains: 10 })
  return databases
}

void t.test('putAccount() creates an account on a free slot, notifies the agent and writes an audit row', async (t) => {
  const { api, owner } = await prepare(t)
  const listener = await owner.connect()
  t.teardown(() => listener.end())
  const told: string[] = []
  listener.on('notification', ({ channel, payload }) => told.push(`${channel} ${payload ?? ''}`))
  await listener.query('listen puppy_wanted')
  const { created, id } = await putAccount(api, actor, blog, { ...spec, sshKeys: [sshKey] }, 1000)
  t.equal(created, true)
  t.matchOnlyStrict(await findAccountsById(api, [id]), [
    {
      id,
      ...blog,
      host: 'h1',
      slot: 0,
      ...spec,
      planSpec: smallPlan,
      sshKeys: [sshKey],
      generation: 1,
      observedGeneration: 0,
      conditions: [],
      createdAt: Date,
      updatedAt: Date,
      deletedAt: null,
    },
  ])
  await listener.query('select 1')
  t.strictSame(told, ['puppy_wanted h1'])
  t.strictSame(await owner.query('select action, target, details from audit'), [
    { action: 'account.create', target: 'root/blog', details: auditDetails({ after: { ...spec, sshKeys: [sshKey] } }) },
  ])
})

void t.test('putAccount() changes an existing account, and does nothing if the spec is equal', async (t) => {
  const { api, owner } = await prepare(t)
  const { id } = await putAccount(api, actor, blog, spec, 1000)
  t.strictSame(await putAccount(api, actor, blog, spec, 1000), { created: false, id })
  t.strictSame(await putAccount(api, actor, blog, { ...spec, plan: 'large' }, 1000), { created: false, id })
  t.match(await findAccount(api, blog), { plan: 'large', generation: 2, slot: 0 })
  t.strictSame(await owner.query('select action from audit order by id'), [
    { action: 'account.create' },
    { action: 'account.change' },
  ])
})

void t.test('putAccount() creates one account on one slot in concurrent calls with the same name', async (t) => {
  const { api, agent } = await prepare(t, 10)
  const puts = Array.from({ length: 10 }, () => putAccount(api, actor, blog, spec, 1000))
  const answers = await Promise.all(puts)
  t.equal(answers.filter(({ created }) => created).length, 1)
  t.equal(new Set(answers.map(({ id }) => id)).size, 1)
  t.match(await countSlots(agent, 'h1'), { taken: 1, free: 9 })
})

void t.test('putAccount() changes an account that another transaction is creating', async (t) => {
  const { api, owner } = await prepare(t)
  const { second, id } = await owner.transaction(async (tx) => {
    const id = await addAccount({ ...owner, query: tx.query }, 'blog')
    const second = putAccount(api, actor, blog, { ...spec, state: 'suspended' }, 1000)
    await untilBlocked(owner)
    return { second, id }
  })
  t.strictSame(await second, { created: false, id })
  t.match(await findAccount(api, blog), { state: 'suspended', generation: 2 })
})

void t.test('putAccount() accepts the same name from two resellers', async (t) => {
  const { api, owner } = await prepare(t)
  await addReseller(owner, 'acme')
  const [ours, theirs] = [
    await putAccount(api, actor, blog, spec, 1000),
    await putAccount(api, actor, { reseller: 'acme', name: 'blog' }, spec, 1000),
  ]
  t.ok(theirs.created)
  t.not(ours.id, theirs.id)
})

void t.test('putAccount() stays within the limit of the reseller, which does not apply to root', async (t) => {
  const { agent, api, owner } = await postgres.create(t)
  await addHost(agent, 'h1', 20)
  await addPlan(api)
  await addReseller(owner, 'acme')
  const put = (reseller: string, name: string) => putAccount(api, actor, { reseller, name }, spec, 3)
  const answers = await Promise.allSettled(Array.from({ length: 8 }, (_, n) => put('acme', `a${n}`)))
  const codes = answers.map((one) => (one.status === 'fulfilled' ? one.status : (one.reason as ApiError).code))
  t.equal(codes.filter((code) => code === 'fulfilled').length, 3)
  t.equal(codes.filter((code) => code === 'account_limit').length, 5)
  const existing = `a${codes.indexOf('fulfilled')}`
  t.notOk((await put('acme', existing)).created, 'an existing account can be changed')
  await removeAccount(api, actor, { reseller: 'acme', name: existing })
  await t.rejects(put('acme', 'more'), { code: 'account_limit' }, 'until the agent has removed the deleted account')
  for (let n = 0; n < 4; n += 1) t.ok((await put('root', `r${n}`)).created)
})

void t.test('putAccount() refuses a plan, a reseller or a host that does not exist', async (t) => {
  const { api } = await prepare(t)
  const unknown = await t.rejects(putAccount(api, actor, blog, { ...spec, plan: 'none' }, 1000), {
    code: 'plan_unknown',
  })
  t.strictSame(pointersOf(unknown), ['/plan'])
  await t.rejects(putAccount(api, actor, { reseller: 'none', name: 'blog' }, spec, 1000), { code: 'reseller_unknown' })
  const empty = await postgres.create(t)
  await addPlan(empty.api)
  await t.rejects(putAccount(empty.api, actor, blog, spec, 1000), { code: 'no_host' })
})

void t.test('putAccount() refuses a plan without the ports that the account’s domains use', async (t) => {
  const { api } = await prepare(t)
  const { id } = await putAccount(api, actor, blog, { ...spec, plan: 'large' }, 1000)
  await insertDomain(api, 'blog.example', 'blog.example', id, 10_243)
  const refused = { code: 'plan_ports', message: /blog\.example/ }
  t.strictSame(pointersOf(await t.rejects(putAccount(api, actor, blog, spec, 1000), refused)), ['/plan'])
  t.match(await findAccount(api, blog), { plan: 'large', generation: 1 })
})

void t.test('putAccount() refuses a plan that allows fewer domains than the account has', async (t) => {
  const { api } = await prepare(t)
  const { id } = await putAccount(api, actor, blog, { ...spec, plan: 'large' }, 1000)
  for (const name of ['a.example', 'b.example', 'c.example']) await insertDomain(api, name, name, id, 10_240)
  const refused = await t.rejects(putAccount(api, actor, blog, spec, 1000), { code: 'domain_limit' })
  t.strictSame(pointersOf(refused), ['/plan'])
  t.strictSame(await putAccount(api, actor, blog, { ...spec, plan: 'large' }, 1000), { created: false, id })
})

void t.test('putAccount() waits for a slot of a pool that can grow, and refuses at its maximum', async (t) => {
  const { agent, api, owner } = await prepare(t, 1)
  await setPool(api, 'h1', { free: 1, max: 2 })
  const put = (name: string) => putAccount(api, actor, { reseller: 'root', name }, spec, 1000)
  await put('a')
  const { id } = await put('b')
  t.strictSame(
    (await findAccountsById(api, [id])).map(({ slot }) => slot),
    [null],
    'it waits',
  )
  t.equal(await countWaiting(api, 'h1'), 1)
  await t.rejects(put('c'), { code: 'pool_exhausted', message: /All 2 slots of host h1/ })
  t.equal((await findAccount(api, { reseller: 'root', name: 'c' })) ?? 'none', 'none', 'no row is left')
  await markAccountDeleted(api, id)
  t.ok((await put('c')).created, 'the account that waited was deleted')
  await releaseSlot(api, 'h1', 0)
  t.ok((await put('d')).created, 'it waits for a slot that will be scrubbed')
  await owner.query(`update slots set state = 'blocked'`)
  await t.rejects(put('e'), { code: 'pool_exhausted' }, 'it does not wait for a blocked slot')
  t.match(await countSlots(agent, 'h1'), { blocked: 1 })
})

void t.test('putAccount() waits for a transaction that changes its plan, and checks the new plan', async (t) => {
  const { api, owner } = await prepare(t)
  const { id } = await putAccount(api, actor, blog, { ...spec, plan: 'large' }, 1000)
  await insertDomain(api, 'blog.example', 'blog.example', id, 10_242)
  const put = await owner.transaction(async (tx) => {
    await upsertPlan(tx, 'small', { ...smallPlan, ports: 1 })
    const put = putAccount(api, actor, blog, spec, 1000).catch((error: unknown) => error)
    await untilBlocked(owner)
    return { put }
  })
  t.match(await put.put, { code: 'plan_ports' })
})

void t.test('putAccount() refuses a plan that removePlan() deletes at the same time', async (t) => {
  const { api, owner } = await prepare(t)
  const put = await owner.transaction(async (tx) => {
    await removePlan({ ...owner, transaction: (work) => work(tx) }, actor, 'small')
    const put = putAccount(api, actor, blog, spec, 1000).catch((error: unknown) => error)
    await untilBlocked(owner)
    return { put }
  })
  t.match(await put.put, { code: 'plan_unknown' })
})

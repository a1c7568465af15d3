import t from 'tap'
import type { Condition } from '../../src/conditions.ts'
import {
  accountsToVisit,
  findAccount,
  findAccountsById,
  insertAccount,
  listAccounts,
  markAccountDeleted,
  purgeAccounts,
  recordObservations,
  touchAccounts,
  updateAccount,
} from '../../src/store/accounts.ts'
import { insertDomain, markDomainsDeleted } from '../../src/store/domains.ts'
import { recordSlots, releaseSlot, takeSlot } from '../../src/store/slots.ts'
import {
  addHost,
  addReseller,
  smallPlan,
  sshKey,
  addAccount,
  addPlan,
  one,
  untilBlocked,
  spec,
} from '../support/rows.ts'
import { startPostgres } from '../support/database.ts'

const postgres = await startPostgres(t)
const names = (rows: readonly { readonly name: string }[]) => rows.map(({ name }) => name)
const applied: Condition = { type: 'accounts', status: 'true', reason: 'applied', at: '2026-01-01T00:00:00.000Z' }
const seen = (id: number, generation: number, conditions: readonly Condition[] = [applied]) => ({
  id,
  generation,
  conditions,
})

async function prepare(t: Parameters<typeof postgres.create>[0]) {
  const databases = await postgres.create(t)
  await addHost(databases.agent)
  await addPlan(databases.api)
  return databases
}

void t.test('insertAccount() inserts what findAccount() and findAccountsById() return', async (t) => {
  const { api, agent } = await prepare(t)
  const wanted = { plan: 'small', sshKeys: [sshKey], state: 'suspended', labels: { customer: '42' } } as const
  const who = { reseller: 'root', name: 'blog' }
  const id = await insertAccount(api, who, { ...wanted, host: 'h1', slot: 3 })
  const row = await findAccount(api, who)
  t.matchOnlyStrict(row, {
    ...who,
    ...wanted,
    id,
    host: 'h1',
    slot: 3,
    planSpec: smallPlan,
    generation: 1,
    observedGeneration: 0,
    conditions: [],
    createdAt: Date,
    updatedAt: Date,
    deletedAt: null,
  })
  t.strictSame(await findAccountsById(agent, [id, id + 1]), [row])
  t.strictSame(await findAccountsById(agent, []), [])
})

void t.test('insertAccount() refuses a second account with the same name, except of another reseller', async (t) => {
  const { api, owner } = await prepare(t)
  await addReseller(owner, 'acme')
  await addAccount(api, 'blog')
  await t.rejects(addAccount(api, 'blog'), { code: '23505' })
  await t.resolves(addAccount(api, 'blog', { reseller: 'acme' }))
})

void t.test('insertAccount() refuses a slot that another account has', async (t) => {
  const { api } = await prepare(t)
  await addAccount(api, 'blog', { slot: 1 })
  await t.rejects(addAccount(api, 'shop', { slot: 1 }), { code: '23505' })
})

void t.test('findAccount() finds no other name, no account of another reseller and no deleted account', async (t) => {
  const { api, owner } = await prepare(t)
  await addReseller(owner, 'acme')
  const id = await addAccount(api, 'blog')
  t.equal(await findAccount(api, { reseller: 'acme', name: 'blog' }), undefined)
  t.equal(await findAccount(api, { reseller: 'root', name: 'log' }), undefined)
  await markAccountDeleted(api, id)
  t.equal(await findAccount(api, { reseller: 'root', name: 'blog' }), undefined)
})

void t.test(
  'findAccount() with a lock waits for a transaction that changes the row, and returns the new row',
  async (t) => {
    const { api, owner } = await prepare(t)
    const who = { reseller: 'root', name: 'blog' }
    const id = await addAccount(api, 'blog')
    const { found, waiting } = await owner.transaction(async (tx) => {
      await updateAccount(tx, id, { ...spec, labels: { a: '1' } })
      const waiting = api.transaction((other) => findAccount(other, who, true))
      await untilBlocked(owner)
      return { found: await findAccount(api, who), waiting }
    })
    t.strictSame(found?.labels, {}, 'without a lock it returns the old row')
    t.strictSame((await waiting)?.labels, { a: '1' })
  },
)

void t.test('listAccounts() returns pages in order, of one reseller or of all', async (t) => {
  const { api, owner } = await prepare(t)
  await addReseller(owner, 'acme')
  const [first] = [await addAccount(api, 'b'), await addAccount(api, 'a', { reseller: 'acme' })]
  await addAccount(api, 'c')
  await markAccountDeleted(api, await addAccount(api, 'gone'))
  const list = async (reseller: string | undefined, after = 0, limit = 10) =>
    names(await listAccounts(api, { reseller, after, limit }))
  t.strictSame(await list(undefined), ['b', 'a', 'c'])
  t.strictSame(await list('root'), ['b', 'c'])
  t.strictSame(await list('acme'), ['a'])
  t.strictSame(await list('nobody'), [])
  t.strictSame(await list(undefined, 0, 2), ['b', 'a'])
  t.strictSame(await list(undefined, first), ['a', 'c'])
})

void t.test('updateAccount() increases the generation if the spec differs, and writes nothing otherwise', async (t) => {
  const { api, owner } = await prepare(t)
  await addPlan(api, 'large', { ports: 8 })
  const id = await addAccount(api, 'blog')
  const row = () => one(owner, 'select xmin::text, generation, updated_at from accounts')
  const before = await row()
  t.equal(await updateAccount(api, id, spec), false)
  t.strictSame(await row(), before)
  const specs = [
    { ...spec, plan: 'large' },
    { ...spec, sshKeys: [sshKey] },
    { ...spec, state: 'suspended' },
    { ...spec, labels: { a: '1', b: '2' } },
  ] as const
  for (const [index, other] of specs.entries()) {
    t.equal(await updateAccount(api, id, other), true)
    const found = await findAccount(api, { reseller: 'root', name: 'blog' })
    const { plan, sshKeys, state, labels } = found ?? {}
    t.strictSame({ plan, sshKeys, state, labels }, other)
    t.equal(found?.generation, index + 2)
  }
  t.equal(await updateAccount(api, id, { ...spec, labels: { b: '2', a: '1' } }), false, 'labels have no order')
})

void t.test(
  'touchAccounts() increases the generation of the accounts of a plan or of one account, and returns the hosts',
  async (t) => {
    const { agent, api } = await prepare(t)
    await addHost(agent, 'h2')
    await addPlan(api, 'large')
    const ids = [
      await addAccount(api, 'a'),
      await addAccount(api, 'b'),
      await addAccount(api, 'c', { host: 'h2' }),
      await addAccount(api, 'other', { plan: 'large' }),
      await addAccount(api, 'gone'),
    ]
    await markAccountDeleted(api, ids[4] ?? 0)
    const generations = async () =>
      (await findAccountsById(api, ids)).toSorted((a, b) => a.id - b.id).map((a) => a.generation)
    t.strictSame((await touchAccounts(api, { plan: 'small' })).toSorted(), ['h1', 'h2'])
    t.strictSame(await generations(), [2, 2, 2, 1, 2], 'the deleted account has the 2 of its deletion')
    t.strictSame(await touchAccounts(api, { id: ids[3] ?? 0 }), ['h1'])
    t.strictSame(await generations(), [2, 2, 2, 2, 2])
    t.strictSame(await touchAccounts(api, { plan: 'unused' }), [])
  },
)

void t.test('accountsToVisit() returns accounts of which the spec or a domain was not observed yet', async (t) => {
  const { agent, api } = await prepare(t)
  await addHost(agent, 'h2')
  const [a, b] = [await addAccount(api, 'a'), await addAccount(api, 'b')]
  await addAccount(api, 'waits', { slot: null })
  await addAccount(api, 'elsewhere', { host: 'h2' })
  await markAccountDeleted(api, await addAccount(api, 'gone'))
  const visit = async (all = false) => names(await accountsToVisit(agent, 'h1', all))
  t.strictSame(await visit(), ['a', 'b'])
  await recordObservations(agent, 'accounts', [seen(a, 1), seen(b, 1)])
  t.strictSame(await visit(), [])
  t.strictSame(await visit(true), ['a', 'b'])
  await updateAccount(api, a, { ...spec, state: 'suspended' })
  t.strictSame(await visit(), ['a'], 'its spec is newer')
  await recordObservations(agent, 'accounts', [seen(a, 2)])
  const domain = await insertDomain(api, 'b.example', 'b.example', b, 10_248)
  t.strictSame(await visit(), ['b'], 'it has a new domain')
  await recordObservations(agent, 'domains', [seen(domain, 1)])
  t.strictSame(await visit(), [])
  await markDomainsDeleted(api, { id: domain })
  await recordObservations(agent, 'domains', [seen(domain, 2)])
  t.strictSame(await visit(), ['b'], 'it has a deleted domain')
})

void t.test('purgeAccounts() deletes the rows of deleted accounts of which nothing is left', async (t) => {
  const { agent, api, owner } = await prepare(t)
  const id = await addAccount(api, 'blog')
  await addAccount(api, 'stays')
  const domain = await insertDomain(api, 'blog.example', 'blog.example', id, 10_240)
  t.equal(await purgeAccounts(agent, 'h1'), 0)
  await markDomainsDeleted(api, { account: id })
  await releaseSlot(api, 'h1', 0)
  await markAccountDeleted(api, id)
  t.equal(await purgeAccounts(agent, 'h1'), 0, 'it still has a domain and a slot')
  await owner.query('delete from domains where id = $1', [domain])
  t.equal(await purgeAccounts(agent, 'h1'), 0, 'the slot was not evicted')
  const evicted = { n: 0, from: 'dirty', to: 'dirty', evicted: true, reason: null, message: null } as const
  await recordSlots(agent, 'h1', [evicted])
  t.equal(await purgeAccounts(agent, 'h2'), 0, 'of another host')
  t.equal(await purgeAccounts(agent, 'h1'), 1)
  t.strictSame(names(await findAccountsById(api, [id])), [])
  t.equal((await listAccounts(api, { reseller: undefined, after: 0, limit: 9 })).length, 1)
})

void t.test(
  'purgeAccounts() deletes an account whose slot another account has, and one that never had a slot',
  async (t) => {
    const { agent, api } = await prepare(t)
    for (const slot of [0, null]) await markAccountDeleted(api, await addAccount(api, 'blog', { slot }))
    t.equal(await takeSlot(api, 'h1'), 0)
    t.equal(await purgeAccounts(agent, 'h1'), 2)
  },
)

void t.test('recordObservations() records many at once', async (t) => {
  const { agent, api } = await prepare(t)
  const ids = [await addAccount(api, 'a'), await addAccount(api, 'b')]
  await addAccount(api, 'c')
  const failed: Condition = { ...applied, status: 'false', reason: 'failed', message: 'it\'s \\ "quoted"' }
  await recordObservations(agent, 'accounts', [seen(ids[0] ?? 0, 1), seen(ids[1] ?? 0, 1, [applied, failed])])
  const accounts = await listAccounts(api, { reseller: undefined, after: 0, limit: 9 })
  t.strictSame(
    accounts.map(({ name, observedGeneration, conditions }) => [name, observedGeneration, conditions]),
    [
      ['a', 1, [applied]],
      ['b', 1, [applied, failed]],
      ['c', 0, []],
    ],
  )
  await recordObservations(agent, 'accounts', [])
})

void t.test('recordObservations() never overwrites a newer observation', async (t) => {
  const { agent, api } = await prepare(t)
  const id = await addAccount(api, 'blog')
  const who = { reseller: 'root', name: 'blog' }
  await api.query('update accounts set generation = 3')
  await recordObservations(agent, 'accounts', [seen(id, 3)])
  await recordObservations(agent, 'accounts', [seen(id, 2, [])])
  const observed = async () => {
    const row = await findAccount(api, who)
    return [row?.observedGeneration, row?.conditions]
  }
  t.strictSame(await observed(), [3, [applied]])
  const repaired = { ...applied, reason: 'repaired' }
  await recordObservations(agent, 'accounts', [seen(id, 3, [repaired])])
  t.strictSame(await observed(), [3, [repaired]], 'the same generation may be observed again')
})

void t.test('recordObservations() writes nothing if the observation is equal', async (t) => {
  const { agent, api, owner } = await prepare(t)
  const id = await addAccount(api, 'blog')
  await recordObservations(agent, 'accounts', [seen(id, 1)])
  const row = () => one(owner, 'select xmin::text from accounts')
  const before = await row()
  await recordObservations(agent, 'accounts', [seen(id, 1)])
  t.strictSame(await row(), before)
})

void t.test('the API may write accounts, and the agent may not', async (t) => {
  const { agent, api } = await prepare(t)
  const id = await addAccount(api, 'blog')
  await t.rejects(updateAccount(agent, id, { ...spec, state: 'suspended' }), { code: '42501' })
  await t.rejects(addAccount(agent, 'shop'), { code: '42501' })
})

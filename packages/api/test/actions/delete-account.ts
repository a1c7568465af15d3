import t from 'tap'
import { removeAccount } from '../../src/actions/delete-account.ts'
import { putAccount } from '../../src/actions/put-account.ts'
import { findAccountsById, updateAccount } from '@puppy/state/store/accounts'
import { findDomain, insertDomain } from '@puppy/state/store/domains'
import { listSlots } from '@puppy/state/store/slots'
import {
  addHost,
  addReseller,
  startPostgres,
  actor,
  addAccount,
  addPlan,
  untilBlocked,
  spec,
} from '@puppy/state/testing'

const postgres = await startPostgres(t)
const blog = { reseller: 'root', name: 'blog' }

async function prepare(t: Parameters<typeof postgres.create>[0]) {
  const databases = await postgres.create(t)
  await addHost(databases.agent, 'h1', 2)
  await addPlan(databases.api)
  return { ...databases, id: await addAccount(databases.api, 'blog') }
}

void t.test('removeAccount() releases the name, the slot and the domains at once', async (t) => {
  const { api, owner, id } = await prepare(t)
  await insertDomain(api, 'blog.example', 'blog.example', id, 10_240)
  t.equal(await removeAccount(api, actor, blog), id)
  t.matchOnlyStrict(
    (await findAccountsById(api, [id])).map(({ deletedAt, generation, slot }) => [deletedAt, generation, slot]),
    [[Date, 2, 0]],
  )
  t.strictSame(
    (await listSlots(api, 'h1')).map(({ n, state, evicted }) => [n, state, evicted]),
    [
      [0, 'dirty', false],
      [1, 'free', true],
    ],
  )
  t.equal(await findDomain(api, 'blog.example'), undefined)
  const again = await putAccount(api, actor, blog, spec, 1000)
  t.ok(again.created)
  t.strictSame(
    (await findAccountsById(api, [again.id])).map(({ slot }) => slot),
    [1],
    'on a slot that was never used',
  )
  t.strictSame(await owner.query('select action, target from audit order by id'), [
    { action: 'account.delete', target: 'root/blog' },
    { action: 'account.create', target: 'root/blog' },
  ])
})

void t.test('removeAccount() returns undefined the second time, without an audit row', async (t) => {
  const { api, owner, id } = await prepare(t)
  const answers = await Promise.all([removeAccount(api, actor, blog), removeAccount(api, actor, blog)])
  t.same(new Set(answers), new Set([id, undefined]))
  t.equal(await removeAccount(api, actor, blog), undefined)
  t.equal((await owner.query('select 1 from audit')).length, 1)
})

void t.test('removeAccount() does not change the account of another reseller with the same name', async (t) => {
  const { api, owner } = await prepare(t)
  await addReseller(owner, 'acme')
  t.equal(await removeAccount(api, actor, { reseller: 'acme', name: 'blog' }), undefined)
  const theirs = await addAccount(api, 'blog', { reseller: 'acme' })
  await removeAccount(api, actor, blog)
  t.strictSame(
    (await findAccountsById(api, [theirs])).map(({ deletedAt }) => deletedAt),
    [null],
  )
})

void t.test('removeAccount() removes an account that waits for a slot', async (t) => {
  const { api } = await prepare(t)
  const id = await addAccount(api, 'waits', { slot: null })
  t.equal(await removeAccount(api, actor, { reseller: 'root', name: 'waits' }), id)
  t.strictSame(
    (await listSlots(api, 'h1')).map(({ n, state }) => [n, state]),
    [
      [0, 'taken'],
      [1, 'free'],
    ],
  )
})

void t.test('removeAccount() deletes an account whose plan changes at the same time', async (t) => {
  const { api, owner, id } = await prepare(t)
  await addPlan(api, 'large')
  const { removed } = await owner.transaction(async (tx) => {
    await updateAccount(tx, id, { ...spec, plan: 'large' })
    const removed = removeAccount(api, actor, blog)
    await untilBlocked(owner)
    return { removed }
  })
  t.equal(await removed, id)
  t.matchOnlyStrict(
    (await findAccountsById(api, [id])).map(({ deletedAt }) => deletedAt),
    [Date],
  )
})

import t from 'tap'
import { removeDomain } from '../../src/actions/delete-domain.ts'
import { findDomain, findDomainsById, insertDomain, updateDomain } from '@puppy/state/store/domains'
import { addHost, addReseller, startPostgres, actor, addAccount, addPlan, untilBlocked } from '@puppy/state/testing'

const postgres = await startPostgres(t)

async function prepare(t: Parameters<typeof postgres.create>[0]) {
  const databases = await postgres.create(t)
  await addHost(databases.agent)
  await addPlan(databases.api)
  const account = await addAccount(databases.api, 'blog')
  return {
    ...databases,
    id: await insertDomain(databases.api, 'blog.example', 'blog.example', account, 10_240),
    account,
  }
}

void t.test('removeDomain() marks a domain deleted only once', async (t) => {
  const { api, owner, id } = await prepare(t)
  const remove = () => removeDomain(api, actor, 'root', 'blog.example')
  const answers = await Promise.all([remove(), remove()])
  t.same(new Set(answers), new Set([id, undefined]))
  t.equal(await remove(), undefined)
  t.equal(await findDomain(api, 'blog.example'), undefined)
  t.matchOnlyStrict(
    (await findDomainsById(api, [id])).map(({ deletedAt, generation }) => [deletedAt, generation]),
    [[Date, 2]],
  )
  t.strictSame(await owner.query('select action, target from audit'), [
    { action: 'domain.delete', target: 'blog.example' },
  ])
})

void t.test('removeDomain() does not delete a domain of another reseller', async (t) => {
  const { api, owner } = await prepare(t)
  await addReseller(owner, 'acme')
  t.equal(await removeDomain(api, actor, 'acme', 'blog.example'), undefined)
  t.ok(await findDomain(api, 'blog.example'))
  t.strictSame(await owner.query('select 1 from audit'), [])
})

void t.test('removeDomain() deletes a domain that moves at the same time', async (t) => {
  const { api, owner, id } = await prepare(t)
  const other = await addAccount(api, 'shop')
  const { removed } = await owner.transaction(async (tx) => {
    await updateDomain(tx, id, other, 10_248)
    const removed = removeDomain(api, actor, 'root', 'blog.example')
    await untilBlocked(owner)
    return { removed }
  })
  t.equal(await removed, id)
  t.matchOnlyStrict(
    (await findDomainsById(api, [id])).map(({ account, deletedAt }) => [account, deletedAt]),
    [[other, Date]],
  )
})

import { defaultLayout } from '@puppy/accounts'
import t from 'tap'
import type { ApiError } from '../../src/errors.ts'
import { putDomain } from '../../src/actions/put-domain.ts'
import { putPlan } from '../../src/actions/put-plan.ts'
import { findAccount, updateAccount } from '@puppy/state/store/accounts'
import { auditDetails } from '@puppy/state/store/audit'
import { countDomains, findDomain, markDomainsDeleted } from '@puppy/state/store/domains'
import {
  addHost,
  addReseller,
  smallPlan,
  startPostgres,
  actor,
  addAccount,
  addPlan,
  untilBlocked,
  spec,
} from '@puppy/state/testing'
import { startApp } from '../support/app.ts'
import { pointersOf } from '../support/problem.ts'

const postgres = await startPostgres(t)
const first = defaultLayout.firstPort
const detailsOf = (after: object) => auditDetails({ after })

/** Adds the accounts `blog` and `shop` of root on slots 0 and 1, and `theirs` of acme on slot 2. */
async function prepare(t: Parameters<typeof postgres.create>[0]) {
  const databases = await postgres.create(t)
  const { agent, api, owner } = databases
  await addHost(agent)
  await addPlan(api)
  await addPlan(api, 'large', { ports: 8, domains: 10 })
  await addReseller(owner, 'acme')
  const [blog, shop] = [await addAccount(api, 'blog'), await addAccount(api, 'shop')]
  const theirs = await addAccount(api, 'theirs', { reseller: 'acme' })
  const put = (name: string, account: string, port: number, reseller = 'root') =>
    putDomain(api, actor, reseller, name, { account, port }, 10_000)
  return { ...databases, blog, shop, theirs, put }
}

void t.test('putDomain() routes a domain, and does nothing if it is already routed there', async (t) => {
  const { api, owner, blog, put } = await prepare(t)
  const { created, id } = await put('blog.example', 'blog', first)
  t.equal(created, true)
  t.strictSame(await put('blog.example', 'blog', first), { created: false, id })
  t.match(await findDomain(api, 'blog.example'), { id, account: blog, port: first, generation: 1 })
  t.strictSame(await owner.query('select action, target, details from audit'), [
    { action: 'domain.create', target: 'blog.example', details: detailsOf({ account: 'blog', port: first }) },
  ])
})

void t.test('putDomain() moves a domain between ports and accounts', async (t) => {
  const { api, owner, shop, put } = await prepare(t)
  const { id } = await put('blog.example', 'blog', first)
  t.strictSame(await put('blog.example', 'blog', first + 1), { created: false, id })
  t.strictSame(await put('blog.example', 'shop', first + 8), { created: false, id })
  t.match(await findDomain(api, 'blog.example'), { id, account: shop, port: first + 8, generation: 3 })
  t.strictSame(await owner.query('select action from audit order by id'), [
    { action: 'domain.create' },
    { action: 'domain.move' },
    { action: 'domain.move' },
  ])
})

void t.test('putDomain() notifies the agents of both hosts when a domain moves between them', async (t) => {
  const { agent, api, owner, put } = await prepare(t)
  await addHost(agent, 'h2')
  await addAccount(api, 'far', { host: 'h2' })
  await put('blog.example', 'blog', first)
  const listener = await owner.connect()
  t.teardown(() => listener.end())
  const told: string[] = []
  listener.on('notification', ({ payload }) => told.push(payload ?? ''))
  await listener.query('listen puppy_wanted')
  await put('blog.example', 'far', first)
  await listener.query('select 1')
  t.strictSame(told.toSorted(), ['h1', 'h2'])
})

void t.test('putDomain() refuses a port outside the ports of the account and its plan', async (t) => {
  const { put } = await prepare(t)
  for (const port of [first - 1, first + 3, first + 8, 80]) {
    const error = await t.rejects(put('blog.example', 'blog', port), { code: 'port_not_of_account' })
    t.strictSame((error as ApiError).faults, [
      { pointer: '/port', detail: `must be one of ${first}, ${first + 1}, ${first + 2}` },
    ])
  }
})

void t.test(
  'putDomain() refuses an account that does not exist, belongs to another reseller or has no slot',
  async (t) => {
    const { api, put } = await prepare(t)
    const unknown = { code: 'account_unknown' }
    t.strictSame(pointersOf(await t.rejects(put('blog.example', 'nobody', first), unknown)), ['/account'])
    t.strictSame(pointersOf(await t.rejects(put('blog.example', 'theirs', first + 16), unknown)), ['/account'])
    await addAccount(api, 'waits', { slot: null })
    await t.rejects(put('blog.example', 'waits', first), { code: 'account_without_slot' })
  },
)

void t.test('putDomain() refuses a name that cannot be routed', async (t) => {
  const { put } = await prepare(t)
  await t.rejects(put('co.uk', 'blog', first), { code: 'domain_invalid' })
})

void t.test('putDomain() refuses more domains than the plan allows, also by a move', async (t) => {
  const { put } = await prepare(t)
  await put('a.example', 'blog', first)
  await put('b.example', 'blog', first)
  await t.rejects(put('c.example', 'blog', first), { code: 'domain_limit' })
  await put('c.example', 'shop', first + 8)
  await t.rejects(put('c.example', 'blog', first), { code: 'domain_limit' })
  t.equal((await put('b.example', 'blog', first + 1)).created, false, 'a move within the account needs no more room')
})

void t.test('putDomain() stays within the limit of the plan in concurrent calls', async (t) => {
  const { api, blog, put } = await prepare(t)
  const puts = Array.from({ length: 8 }, (_, index) => put(`d${index}.example`, 'blog', first))
  const answers = await Promise.allSettled(puts)
  t.equal(answers.filter(({ status }) => status === 'fulfilled').length, 2)
  t.equal(await countDomains(api, blog), 2)
})

void t.test('putDomain() refuses every name of a registrable domain of another reseller', async (t) => {
  const { api, put } = await prepare(t)
  await put('shop.theirs.co.uk', 'theirs', first + 16, 'acme')
  const names = ['shop.theirs.co.uk', 'theirs.co.uk', 'a.shop.theirs.co.uk', 'blog.theirs.co.uk', 'a.b.theirs.co.uk']
  for (const name of names) {
    const error = await t.rejects(put(name, 'blog', first), { code: 'domain_taken', message: /theirs\.co\.uk/ })
    t.strictSame(pointersOf(error), ['domain'])
  }
  for (const name of ['nottheirs.co.uk', 'theirs.com']) t.ok((await put(name, 'blog', first)).created, name)
  await t.rejects(put('shop.theirs.co.uk', 'shop', first + 8), { code: 'domain_taken' }, 'a move to another reseller')
  await markDomainsDeleted(api, { id: (await findDomain(api, 'shop.theirs.co.uk'))?.id ?? 0 })
  t.ok((await put('blog.theirs.co.uk', 'shop', first + 8)).created, 'free after the last name is deleted')
  const back = put('shop.theirs.co.uk', 'theirs', first + 16, 'acme')
  await t.rejects(back, { code: 'domain_taken' })
})

void t.test('putDomain() lets the accounts of one reseller share a registrable domain', async (t) => {
  const { put } = await prepare(t)
  t.ok((await put('example.com', 'blog', first)).created)
  t.ok((await put('shop.example.com', 'shop', first + 8)).created)
  t.notOk((await put('shop.example.com', 'blog', first)).created, 'a move between them')
})

void t.test('putDomain() lets resellers share a suffix below which other people register names', async (t) => {
  const { put } = await prepare(t)
  t.ok((await put('ours.github.io', 'blog', first)).created)
  t.ok((await put('theirs.github.io', 'theirs', first + 16, 'acme')).created)
  await t.rejects(put('a.ours.github.io', 'theirs', first + 16, 'acme'), { code: 'domain_taken' })
})

void t.test(
  'putDomain() accepts a name of a registrable domain from only one of two concurrent resellers',
  async (t) => {
    const { put } = await prepare(t)
    for (const [ours, theirs] of [
      ['example.com', 'www.example.com'],
      ['a.example.org', 'b.example.org'],
    ] as const) {
      const answers = await Promise.allSettled([
        put(ours, 'blog', first),
        put(theirs, 'theirs', first + 16, 'acme'),
        put(`x.${ours}`, 'shop', first + 8),
        put(`x.${theirs}`, 'theirs', first + 16, 'acme'),
      ])
      const codes = answers.map((one) => (one.status === 'fulfilled' ? one.status : (one.reason as ApiError).code))
      t.strictSame(
        codes.toSorted(),
        ['domain_taken', 'domain_taken', 'fulfilled', 'fulfilled'],
        `${ours} and ${theirs}`,
      )
      t.equal(codes[0], codes[2], 'both names belong to one reseller')
    }
  },
)

void t.test('putDomain() stays within the limit of the reseller, which does not apply to root', async (t) => {
  const { api } = await prepare(t)
  await addPlan(api, 'wide', { ports: 8, domains: 100 })
  for (const reseller of ['acme', 'root']) await addAccount(api, 'wide', { reseller, plan: 'wide' })
  const place = async (reseller: string) =>
    first + 8 * ((await findAccount(api, { reseller, name: 'wide' }))?.slot ?? 0)
  const [acme, root] = [await place('acme'), await place('root')]
  const put = (reseller: string, port: number, name: string) =>
    putDomain(api, actor, reseller, name, { account: 'wide', port }, 3)
  const answers = await Promise.allSettled(Array.from({ length: 8 }, (_, n) => put('acme', acme, `a${n}.example`)))
  const codes = answers.map((one) => (one.status === 'fulfilled' ? one.status : (one.reason as ApiError).code))
  t.equal(codes.filter((code) => code === 'fulfilled').length, 3)
  t.equal(codes.filter((code) => code === 'domain_limit').length, 5)
  for (let n = 0; n < 4; n += 1) t.ok((await put('root', root, `r${n}.example`)).created)
})

void t.test('putDomain() creates a new row if the domain is deleted at the same time', async (t) => {
  const { api, owner, blog, shop, put } = await prepare(t)
  const { id } = await put('blog.example', 'blog', first)
  const { moved } = await owner.transaction(async (tx) => {
    await markDomainsDeleted(tx, { account: blog })
    const moved = put('blog.example', 'shop', first + 8)
    await untilBlocked(owner)
    return { moved }
  })
  t.equal((await moved).created, true)
  t.match(await findDomain(api, 'blog.example'), { account: shop, port: first + 8 })
  t.not((await moved).id, id)
})

void t.test('putDomain() checks the new plan if the account’s plan changes at the same time', async (t) => {
  const { api, owner, blog, put } = await prepare(t)
  const { done } = await owner.transaction(async (tx) => {
    await updateAccount(tx, blog, { ...spec, plan: 'large' })
    const done = put('blog.example', 'blog', first + 7)
    await untilBlocked(owner)
    return { done }
  })
  t.equal((await done).created, true)
  t.match(await findAccount(api, { reseller: 'root', name: 'blog' }), { plan: 'large' })
})

void t.test('putDomain() and putPlan() at the same time leave no domain on a port outside the plan', async (t) => {
  const { api, owner, put } = await prepare(t)
  const domainFirst = await owner.transaction(async (tx) => {
    const target = { account: 'blog', port: first + 2 }
    await putDomain({ ...owner, transaction: (work) => work(tx) }, actor, 'root', 'blog.example', target, 10_000)
    const plan = putPlan(api, actor, 'small', { ...smallPlan, ports: 1 }).catch((error: unknown) => error)
    await untilBlocked(owner)
    return { plan }
  })
  t.match(await domainFirst.plan, { code: 'plan_ports' })
  const planFirst = await owner.transaction(async (tx) => {
    await putPlan({ ...owner, transaction: (work) => work(tx) }, actor, 'small', { ...smallPlan, domains: 9, ports: 3 })
    const domain = put('more.example', 'blog', first)
    await untilBlocked(owner)
    return { domain }
  })
  t.equal((await planFirst.domain).created, true)
})

void t.test(
  'putDomain() increases the generation of the account that loses a domain, also in two opposite moves',
  async (t) => {
    const database = await postgres.create(t)
    const { request } = await startApp(t, database)
    await addHost(database.agent)
    await request('PUT', '/v1/plans/small', { ...smallPlan, domains: 10 })
    const ports = new Map<string, number>()
    for (const name of ['a', 'b']) {
      const { body } = await request('PUT', `/v1/accounts/${name}`, { plan: 'small' })
      ports.set(name, Number((body as { ports?: readonly number[] }).ports?.[0]))
    }
    const put = (domain: string, account: string) =>
      request(
        'PUT',
        `/v1/domains/${domain}`,
        { account, port: ports.get(account) },
        { headers: { prefer: 'respond-async' } },
      )
    await put('one.example.com', 'a')
    await put('two.example.org', 'b')
    const generationOf = async (name: string) =>
      Number((await request('GET', `/v1/accounts/${name}`)).body['generation'])
    const before = [await generationOf('a'), await generationOf('b')]
    const moves = await Promise.all([put('one.example.com', 'b'), put('two.example.org', 'a')])
    t.strictSame(
      moves.map(({ status, body }) => [status, body['account']]),
      [
        [202, 'b'],
        [202, 'a'],
      ],
    )
    t.strictSame(
      [await generationOf('a'), await generationOf('b')],
      before.map((generation) => generation + 1),
    )
  },
)

import t from 'tap'
import {
  countDomains,
  countDomainsOfReseller,
  domainsBeyondPorts,
  domainsOf,
  domainsOfHost,
  findDomain,
  findDomainsById,
  findRival,
  insertDomain,
  listDomains,
  lockDomainFamily,
  markDomainsDeleted,
  purgeDomains,
  recordListeners,
  updateDomain,
} from '../../src/store/domains.ts'
import { addHost, addReseller, addAccount, addPlan, one, untilBlocked } from '../support/rows.ts'
import { startPostgres } from '../support/database.ts'

const postgres = await startPostgres(t)
const names = (rows: readonly { readonly name: string }[]) => rows.map(({ name }) => name)

/** Adds a host, a plan, the account `blog` of root and the account `shop` of acme. */
async function prepare(t: Parameters<typeof postgres.create>[0]) {
  const databases = await postgres.create(t)
  await addHost(databases.agent)
  await addPlan(databases.api)
  await addReseller(databases.owner, 'acme')
  const blog = await addAccount(databases.api, 'blog')
  const shop = await addAccount(databases.api, 'shop', { reseller: 'acme' })
  return { ...databases, blog, shop }
}

void t.test('insertDomain() inserts what findDomain() and findDomainsById() return', async (t) => {
  const { api, agent, shop } = await prepare(t)
  const id = await insertDomain(api, 'shop.example', 'shop.example', shop, 10_248)
  const row = await findDomain(api, 'shop.example')
  t.matchOnlyStrict(row, {
    id,
    name: 'shop.example',
    account: shop,
    accountName: 'shop',
    reseller: 'acme',
    host: 'h1',
    slot: 1,
    suspended: false,
    port: 10_248,
    generation: 1,
    observedGeneration: 0,
    conditions: [],
    listener: null,
    createdAt: Date,
    updatedAt: Date,
    deletedAt: null,
  })
  t.strictSame(await findDomainsById(agent, [id, id + 1]), [row])
  await t.rejects(insertDomain(api, 'shop.example', 'shop.example', shop, 10_249), { code: '23505' })
})

void t.test('findDomain() returns whether the account is suspended', async (t) => {
  const { api, owner, blog } = await prepare(t)
  await insertDomain(api, 'blog.example', 'blog.example', blog, 10_240)
  await owner.query(`update accounts set state = 'suspended' where id = $1`, [blog])
  t.match(await findDomain(api, 'blog.example'), { suspended: true })
})

void t.test('domainsOf() and listDomains() return domains that are not deleted, by name', async (t) => {
  const { api, blog, shop } = await prepare(t)
  for (const name of ['c.example', 'a.example', 'gone.example']) await insertDomain(api, name, name, blog, 10_240)
  await insertDomain(api, 'b.example', 'b.example', shop, 10_248)
  await markDomainsDeleted(api, { id: (await findDomain(api, 'gone.example'))?.id ?? 0 })
  t.strictSame(names(await domainsOf(api, [blog])), ['a.example', 'c.example'])
  t.strictSame(names(await domainsOf(api, [blog, shop])), ['a.example', 'b.example', 'c.example'])
  t.strictSame(names(await domainsOf(api, [])), [])
  const list = async (reseller: string | undefined, after = '', limit = 10) =>
    names(await listDomains(api, { reseller, after, limit }))
  t.strictSame(await list(undefined), ['a.example', 'b.example', 'c.example'])
  t.strictSame(await list('acme'), ['b.example'])
  t.strictSame(await list(undefined, 'a.example', 1), ['b.example'])
  t.equal(await countDomains(api, blog), 2)
  t.equal(await countDomains(api, 0), 0)
})

const rivals: readonly (readonly [title: string, theirs: string, family: string, found: boolean])[] = [
  ['the registrable domain', 'example.com', 'example.com', true],
  ['a name below it', 'shop.example.com', 'example.com', true],
  ['a name far below it', 'a.b.c.example.com', 'example.com', true],
  ['no name with the same ending', 'myexample.com', 'example.com', false],
  ['no name that is only the ending of it', 'example.com', 'myexample.com', false],
  ['no name of another suffix', 'example.com', 'example.org', false],
]
for (const [title, theirs, family, found] of rivals) {
  void t.test(`findRival() finds ${title}, and the database refuses it`, async (t) => {
    const { api, blog, shop } = await prepare(t)
    const id = await insertDomain(api, theirs, theirs.split('.').slice(-2).join('.'), shop, 10_248)
    t.equal(await findRival(api, family, 'root'), found ? theirs : undefined)
    t.equal(await findRival(api, family, 'acme'), undefined, 'a reseller is not its own rival')
    const ours = `blog.${family}`
    const insert = () => insertDomain(api, ours, family, blog, 10_240)
    if (found) await t.rejects(insert(), { code: '23P01' })
    else t.ok((await insert()) > 0)
    await markDomainsDeleted(api, { account: shop })
    t.equal(await findRival(api, family, 'root'), undefined, 'a deleted domain is not a rival')
    if (!found) return
    t.ok((await insert()) > 0)
    const restore = 'update domains set deleted_at = null where id = $1'
    await t.rejects(api.query(restore, [id]), { code: '23P01' })
  })
}

void t.test('the database refuses two names of one registrable domain in concurrent transactions', async (t) => {
  const { api, owner, blog, shop } = await prepare(t)
  const { second } = await owner.transaction(async (tx) => {
    await insertDomain(tx, 'a.example.com', 'example.com', blog, 10_240)
    const second = insertDomain(api, 'b.example.com', 'example.com', shop, 10_248).catch((error: unknown) => error)
    await untilBlocked(owner)
    return { second }
  })
  t.match(await second, { code: '23P01', constraint: 'domains_of_one_reseller' })
})

void t.test('the database refuses a domain that moves to another reseller', async (t) => {
  const { api, blog, shop } = await prepare(t)
  const id = await insertDomain(api, 'a.example.com', 'example.com', blog, 10_240)
  await t.rejects(updateDomain(api, id, shop, 10_248), { code: '23P01' })
  await updateDomain(api, id, blog, 10_241)
})

void t.test(
  'the database refuses a domain without its registrable domain, and rows of earlier versions count',
  async (t) => {
    const { api, owner, blog, shop } = await prepare(t)
    const insert = (name: string, family: string | null, account = blog) =>
      api.query('insert into domains (name, registrable, account, port) values ($1, $2, $3, 10240)', [
        name,
        family,
        account,
      ])
    for (const family of [null, '', 'example.org', 'ample.com', 'www.example.com', '%.com', '%'])
      await t.rejects(insert('a.example.com', family), { code: '23514' }, String(family))
    await insert('a.example.com', 'example.com', shop)
    await owner.query('alter table domains disable trigger domain_owner')
    await owner.query('update domains set registrable = null')
    await owner.query('alter table domains enable trigger domain_owner')
    await t.rejects(insert('b.example.com', 'example.com'), { code: '23P01' })
  },
)

void t.test('countDomainsOfReseller() counts deleted domains until the agent has removed them', async (t) => {
  const { agent, api, blog, shop } = await prepare(t)
  const id = await insertDomain(api, 'a.example', 'a.example', shop, 10_248)
  await insertDomain(api, 'b.example', 'b.example', shop, 10_248)
  await insertDomain(api, 'c.example', 'c.example', blog, 10_240)
  await markDomainsDeleted(api, { id })
  t.equal(await countDomainsOfReseller(api, 'acme'), 2)
  await purgeDomains(agent, [id])
  t.equal(await countDomainsOfReseller(api, 'acme'), 1)
})

void t.test('lockDomainFamily() locks one family until the end of the transaction', async (t) => {
  const { api, owner } = await prepare(t)
  const order: string[] = []
  const second = await owner.transaction(async (tx) => {
    await lockDomainFamily(tx, 'example.com')
    const waiting = api.transaction(async (other) => {
      await lockDomainFamily(other, 'example.com')
      order.push('second')
    })
    await untilBlocked(owner)
    await api.transaction((other) => lockDomainFamily(other, 'example.org'))
    order.push('another family', 'first')
    return { waiting }
  })
  await second.waiting
  t.strictSame(order, ['another family', 'first', 'second'])
})

void t.test('domainsBeyondPorts() finds a domain on a port beyond the given number of ports', async (t) => {
  const { api, blog, shop } = await prepare(t)
  await insertDomain(api, 'blog.example', 'blog.example', blog, 10_240)
  await insertDomain(api, 'shop.example', 'shop.example', shop, 10_248 + 2)
  await insertDomain(api, 'gone.example', 'gone.example', shop, 10_248 + 7)
  await markDomainsDeleted(api, { id: (await findDomain(api, 'gone.example'))?.id ?? 0 })
  t.equal(await domainsBeyondPorts(api, { plan: 'small', ports: 3 }), undefined)
  t.equal(await domainsBeyondPorts(api, { plan: 'small', ports: 2 }), 'shop.example')
  t.equal(await domainsBeyondPorts(api, { plan: 'large', ports: 2 }), undefined)
  t.equal(await domainsBeyondPorts(api, { account: shop, ports: 2 }), 'shop.example')
  t.equal(await domainsBeyondPorts(api, { account: blog, ports: 1 }), undefined)
})

void t.test('updateDomain() moves a domain and resets its listener', async (t) => {
  const { api, agent, blog } = await prepare(t)
  const other = await addAccount(api, 'other')
  const id = await insertDomain(api, 'a.example', 'a.example', blog, 10_240)
  await recordListeners(agent, [{ id, listener: 'listening' }])
  await updateDomain(api, id, other, 10_257)
  t.match(await findDomain(api, 'a.example'), { id, account: other, port: 10_257, generation: 2, listener: null })
})

void t.test('markDomainsDeleted() marks one domain or all domains of an account, only once', async (t) => {
  const { api, blog, shop } = await prepare(t)
  const ids = [
    await insertDomain(api, 'a.example', 'a.example', blog, 10_240),
    await insertDomain(api, 'b.example', 'b.example', blog, 10_240),
    await insertDomain(api, 'c.example', 'c.example', shop, 10_248),
  ]
  const state = async () =>
    (await domainsOfHost(api, 'h1')).map(({ generation, deletedAt }) => [generation, deletedAt !== null])
  await markDomainsDeleted(api, { id: ids[0] ?? 0 })
  t.strictSame(await state(), [
    [2, true],
    [1, false],
    [1, false],
  ])
  await markDomainsDeleted(api, { account: blog })
  t.strictSame(await state(), [
    [2, true],
    [2, true],
    [1, false],
  ])
  t.not(await insertDomain(api, 'a.example', 'a.example', shop, 10_248), ids[0], 'the name is free again')
})

void t.test('domainsOfHost() returns deleted domains until purgeDomains() deletes their rows', async (t) => {
  const { agent, api, blog } = await prepare(t)
  await addHost(agent, 'h2')
  const elsewhere = await addAccount(api, 'elsewhere', { host: 'h2' })
  await insertDomain(api, 'elsewhere.example', 'elsewhere.example', elsewhere, 10_240)
  const [a, b] = [
    await insertDomain(api, 'a.example', 'a.example', blog, 10_240),
    await insertDomain(api, 'b.example', 'b.example', blog, 10_240),
  ]
  await markDomainsDeleted(api, { id: a })
  t.matchOnlyStrict(
    (await domainsOfHost(agent, 'h1')).map(({ id, deletedAt }) => [id, deletedAt]),
    [
      [a, Date],
      [b, null],
    ],
  )
  await purgeDomains(agent, [a, b])
  await purgeDomains(agent, [])
  t.strictSame(names(await domainsOfHost(agent, 'h1')), ['b.example'])
})

void t.test('recordListeners() records many listeners, and writes nothing if they are equal', async (t) => {
  const { agent, api, owner, blog } = await prepare(t)
  const [a, b] = [
    await insertDomain(api, 'a.example', 'a.example', blog, 10_240),
    await insertDomain(api, 'b.example', 'b.example', blog, 10_241),
  ]
  await recordListeners(agent, [
    { id: a, listener: 'listening' },
    { id: b, listener: 'wrong_address' },
  ])
  t.strictSame(
    (await domainsOf(api, [blog])).map(({ id, listener }) => [id, listener]),
    [
      [a, 'listening'],
      [b, 'wrong_address'],
    ],
  )
  const row = () => one(owner, 'select xmin::text from domains where id = $1', a)
  const before = await row()
  await recordListeners(agent, [
    { id: a, listener: 'listening' },
    { id: b, listener: 'nobody' },
  ])
  await recordListeners(agent, [])
  t.strictSame(await row(), before)
  t.match(await findDomain(api, 'b.example'), { listener: 'nobody' })
})

void t.test('the API may write domains, and the agent may not', async (t) => {
  const { agent, api, blog } = await prepare(t)
  await t.rejects(insertDomain(agent, 'a.example', 'a.example', blog, 10_240), { code: '42501' })
  const id = await insertDomain(api, 'a.example', 'a.example', blog, 10_240)
  await t.rejects(updateDomain(agent, id, blog, 10_241), { code: '42501' })
})

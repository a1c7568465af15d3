import t from 'tap'
import {
  accountsToVisit,
  findAccount,
  listAccounts,
  recordObservations,
  touchAccounts,
} from '../../src/store/accounts.ts'
import { bounded, largestGeneration, largestNumber, nextGeneration } from '../../src/store/bounds.ts'
import { askForPlan, findHost, recordHost, recordPlan, setPool } from '../../src/store/hosts.ts'
import { domainsOfHost, insertDomain } from '../../src/store/domains.ts'
import { listPlans, upsertPlan } from '../../src/store/plans.ts'
import { readBuiltSlots } from '../../src/store/slots.ts'
import { addAccount, addHost, addPlan, smallPlan } from '../support/rows.ts'
import { startPostgres } from '../support/database.ts'

const postgres = await startPostgres(t)
/** Generations that JavaScript does not hold, or that cannot grow. */
const outOfRange = ['9223372036854775807', '9007199254740993', '9007199254740991', '-1', '-9223372036854775808']

void t.test('bounded() returns null for a value with too many bytes, also for one that compresses', async (t) => {
  const { owner } = await postgres.create(t)
  await owner.query('create table texts (n int, value jsonb)')
  await owner.query(
    `insert into texts values (1, '"abc"'), (2, to_jsonb(repeat('x', 1000))), (3, to_jsonb(repeat('x', 5000000)))`,
  )
  t.strictSame(await owner.query(`select n, ${bounded('value', 1100)} is null as refused from texts order by n`), [
    { n: 1, refused: false },
    { n: 2, refused: false },
    { n: 3, refused: true },
  ])
  t.strictSame(await owner.query(`select ${bounded('value', 1001)} is null as refused from texts where n = 2`), [
    { refused: true },
  ])
})

void t.test('what the agent reads of the API’s columns has a bounded size', async (t) => {
  const { api, agent } = await postgres.create(t)
  await addHost(agent)
  await addPlan(api)
  const id = await addAccount(api, 'blog')
  await insertDomain(api, 'blog.example.com', 'example.com', id, 10_240)
  const read = async () => {
    const [account] = await accountsToVisit(agent, 'h1', true)
    const [domain] = await domainsOfHost(agent, 'h1')
    const [slot] = await readBuiltSlots(agent, 'h1')
    return { account, domain, slot }
  }
  const usual = await read()
  t.strictSame([usual.account?.planSpec, usual.account?.sshKeys, usual.slot?.egress], [smallPlan, [], 'default'])
  await api.query(`update plans set spec = spec || jsonb_build_object('egress', repeat('x', 10000))`)
  t.equal((await read()).slot?.egress, 'x'.repeat(20))
  await api.query(`update plans set spec = spec || jsonb_build_object('egress', repeat('x', 20000000))`)
  await api.query(
    `update accounts set ssh_keys = array[repeat('x', 20000000)], labels = to_jsonb(repeat('x', 20000000))`,
  )
  await api.query(`update domains set listener = repeat('x', 20000000)`)
  await api.query(
    `insert into domains (name, registrable, account, port) values (repeat('a', 200000), repeat('a', 200000), $1, 10241)`,
    [id],
  )
  const { account, domain, slot } = await read()
  t.strictSame([account?.planSpec, account?.sshKeys, slot?.egress], [null, null, 'default'])
  t.notOk(account !== undefined && 'labels' in account, 'the agent does not read labels')
  t.equal(domain?.name.length, 254)
  t.strictSame(
    (await domainsOfHost(agent, 'h1')).map(({ listener }) => listener),
    [null, null],
  )
})

void t.test('nextGeneration() grows by one, and starts again out of range, unlike the observed one', async (t) => {
  const { owner } = await postgres.create(t)
  for (const [generation, seen, next] of [
    ['1', '0', 2],
    ['7', '7', 8],
    ['9007199254740989', '0', largestGeneration],
    [String(largestGeneration), '0', 1],
    ...outOfRange.map((one) => [one, one, 1] as const),
    ...outOfRange.map((one) => [one, '1', 2] as const),
  ] as const) {
    const sql = `select ${nextGeneration('g', 's')} as next from (values ($1::bigint, $2::bigint)) v(g, s)`
    t.strictSame(await owner.query(sql, [generation, seen]), [{ next }], `${generation}, observed ${seen}`)
  }
  t.strictSame(await owner.query(`select ${nextGeneration('g')} as next from (values (9223372036854775807)) v(g)`), [
    { next: 1 },
  ])
})

void t.test(
  'a generation out of range fails no statement for other rows, is observed, and is mended by the next change',
  async (t) => {
    const { api, agent } = await postgres.create(t)
    await addHost(agent)
    await addPlan(api)
    const [bad, good] = [await addAccount(api, 'bad'), await addAccount(api, 'good')]
    const visit = async () => (await accountsToVisit(agent, 'h1', false)).map(({ id }) => id)
    for (const generation of outOfRange) {
      await api.query('update accounts set generation = $1 where id = $2', [generation, bad])
      await touchAccounts(api, { id: good })
      const rows = await accountsToVisit(agent, 'h1', false)
      t.strictSame(await visit(), [bad, good], `${generation}: both are visited`)
      t.ok(rows.every((row) => Math.abs(row.generation) <= largestNumber))
      const seen = rows.map(({ id, generation: n }) => ({ id, generation: n, conditions: [] }))
      await recordObservations(agent, 'accounts', seen)
      t.strictSame(await visit(), [], `${generation}: both were observed`)
      await touchAccounts(api, { plan: 'small' })
      t.strictSame(await visit(), [bad, good], `${generation}: a change is noticed`)
      const now = await listAccounts(api, { reseller: undefined, after: 0, limit: 9 })
      t.ok(
        now.every((row) => row.generation > 0 && row.generation < 100),
        `${generation}: it is mended`,
      )
      await recordObservations(
        agent,
        'accounts',
        now.map((row) => ({ id: row.id, generation: row.generation, conditions: [] })),
      )
      t.strictSame(await visit(), [], `${generation}: the change was observed`)
    }
    await api.query('update accounts set generation = 1000 where id = $1', [bad])
    await recordObservations(agent, 'accounts', [{ id: bad, generation: 1000, conditions: [] }])
    await api.query('update accounts set generation = 5 where id = $1', [bad])
    t.strictSame(await visit(), [bad], 'a generation below the observed one is visited')
    await recordObservations(agent, 'accounts', [{ id: bad, generation: 5, conditions: [] }])
    t.strictSame(await visit(), [])
    t.equal((await findAccount(api, { reseller: 'root', name: 'bad' }))?.observedGeneration, 5)
  },
)

void t.test(
  'a host and a plan whose numbers are out of range are recorded, and mended by the next change',
  async (t) => {
    const { api, agent } = await postgres.create(t)
    await addHost(agent)
    await addPlan(api)
    for (const [round, number] of outOfRange.entries()) {
      await api.query('update hosts set generation = $1, plan_wanted = $1', [number])
      await api.query('update plans set generation = $1', [number])
      const row = await findHost(agent, 'h1')
      await recordHost(agent, 'h1', { generation: row?.generation ?? 0, facilities: {}, conditions: [] })
      await recordPlan(agent, 'h1', row?.planWanted ?? 0, [])
      const after = await findHost(agent, 'h1')
      t.strictSame([after?.observedGeneration, after?.planMade], [after?.generation, after?.planWanted], number)
      const wanted = await askForPlan(api, 'h1')
      await setPool(api, 'h1', { free: 3, max: 20 + round })
      await upsertPlan(api, 'small', { ...smallPlan, domains: round })
      const mended = await findHost(agent, 'h1')
      t.not(mended?.observedGeneration, mended?.generation, `${number}: the change is noticed`)
      t.ok(wanted !== undefined && wanted > 0 && wanted < 10)
      await recordHost(agent, 'h1', { generation: mended?.generation ?? 0, facilities: {}, conditions: [] })
      await recordPlan(agent, 'h1', wanted ?? 0, [])
      const last = await findHost(agent, 'h1')
      t.strictSame(
        [last?.observedGeneration, last?.planMade],
        [mended?.generation, wanted],
        `${number}: it is observed`,
      )
      t.ok((mended?.generation ?? 0) < 10)
    }
    t.ok((await listPlans(api, { after: '', limit: 9 })).every(({ generation }) => generation > 0 && generation < 10))
  },
)

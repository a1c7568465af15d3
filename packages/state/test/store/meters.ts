import t from 'tap'
import { listMeters, stepMeters, type MeterReading } from '../../src/store/meters.ts'
import { findUsage } from '../../src/store/usage.ts'
import { addHost, addAccount, addPlan } from '../support/rows.ts'
import { startPostgres } from '../support/database.ts'

const postgres = await startPostgres(t)

async function prepare(t: Parameters<typeof postgres.create>[0]) {
  const databases = await postgres.create(t)
  await addHost(databases.agent, 'h1', 2)
  await addPlan(databases.api)
  return { ...databases, account: await addAccount(databases.api, 'blog') }
}

const reading = (account: number | null, bytes: number): MeterReading => ({
  account,
  clean: account === null,
  boot: 'b',
  counted: { uid: 10_000, sentBytes: bytes, sentPackets: 1, receivedBytes: bytes, receivedPackets: 1 },
})

void t.test('listMeters() returns every slot with its account and its last reading', async (t) => {
  const { agent, account } = await prepare(t)
  t.strictSame(await listMeters(agent, 'h1'), [
    { n: 0, account, clean: false, metered: true, last: null },
    { n: 1, account: null, clean: true, metered: true, last: null },
  ])
  const last = reading(account, 5)
  await stepMeters(agent, 'h1', [{ n: 0, before: null, last, sent: 0, received: 0 }])
  t.strictSame((await listMeters(agent, 'h1'))[0]?.last, last)
  t.strictSame(await listMeters(agent, 'h2'), [])
})

void t.test('stepMeters() adds to the account, and skips a meter that was updated since', async (t) => {
  const { agent, api, account } = await prepare(t)
  const [one, two] = [reading(account, 1), reading(account, 2)]
  await stepMeters(agent, 'h1', [{ n: 0, before: null, last: one, sent: 3, received: 4 }])
  await stepMeters(agent, 'h1', [{ n: 0, before: null, last: two, sent: 100, received: 100 }])
  await stepMeters(agent, 'h1', [{ n: 0, before: two, last: one, sent: 100, received: 100 }])
  t.match(await findUsage(api, account), { sent: 3, received: 4 })
  await stepMeters(agent, 'h1', [{ n: 0, before: one, last: two, sent: 2 ** 40, received: 1 }])
  t.match(await findUsage(api, account), { sent: 2 ** 40 + 3, received: 5 })
  await stepMeters(agent, 'h1', [])
})

void t.test('stepMeters() skips slots and accounts that do not exist', async (t) => {
  const { agent, api, owner, account } = await prepare(t)
  await owner.query('update accounts set deleted_at = now() where id = $1', [account])
  await stepMeters(agent, 'h1', [
    { n: 0, before: null, last: reading(account, 1), sent: 1, received: 1 },
    { n: 1, before: null, last: reading(-1, 1), sent: 1, received: 1 },
    { n: 99, before: null, last: reading(null, 1), sent: 1, received: 1 },
  ])
  t.equal(await findUsage(api, account), undefined)
  t.strictSame(await owner.query('select n from meters order by n'), [{ n: 0 }, { n: 1 }])
})

void t.test('stepMeters() keeps what the proxy counted', async (t) => {
  const { agent, api, account } = await prepare(t)
  await agent.query('insert into usage (account, requests) values ($1, 9)', [account])
  t.match(await findUsage(api, account), { requests: 9, sent: null, received: null })
  await stepMeters(agent, 'h1', [{ n: 0, before: null, last: reading(account, 1), sent: 1, received: 2 }])
  t.match(await findUsage(api, account), { requests: 9, sent: 1, received: 2 })
})

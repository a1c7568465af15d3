import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { openDatabase, type Database } from '@puppy/state'
import { createObserver, type Observer } from '../src/observer.ts'
import { notify, observed } from '@puppy/state/store/notify'
import { addHost, startPostgres, type TestDatabase } from '@puppy/state/testing'
import { scratchFolder } from '@puppy/host/testing'

t.setTimeout(120_000)
const postgres = await startPostgres(t)
/** Long enough that only what is waited for can end it. */
const patience = 60_000

interface Rows {
  readonly account: number
  readonly domain: number
}

/** One account with one domain, which nobody has looked at. */
async function addRows({ owner, agent }: TestDatabase): Promise<Rows> {
  await addHost(agent)
  await owner.query(`insert into plans (name, spec) values ('small', '{}')`)
  const [account] = await owner.query<{ id: number }>(
    `insert into accounts (reseller, name, host, plan, ssh_keys, state, labels)
     values ('root', 'blog', 'h1', 'small', '{}', 'active', '{}') returning id`,
  )
  const [domain] = await owner.query<{ id: number }>(
    `insert into domains (name, account, port) values ('example.com', $1, 10240) returning id`,
    [account?.id],
  )
  return { account: account?.id ?? 0, domain: domain?.id ?? 0 }
}

function open(t: Test, database: Database): Observer {
  const observer = createObserver(database)
  t.teardown(() => observer.close())
  return observer
}

const tables = ['accounts', 'domains'] as const
for (const table of tables) {
  const idOf = ({ account, domain }: Rows) => (table === 'accounts' ? account : domain)

  void t.test(`wait() settles when a row of ${table} was looked at and the agent says so`, async (t) => {
    const database = await postgres.create(t)
    const id = idOf(await addRows(database))
    const waiting = open(t, database.api).wait({ table, id, generation: 1 }, patience)
    await database.agent.transaction(async (tx) => {
      await tx.query(`update ${table} set observed_generation = 1 where id = $1`, [id])
      await notify(tx, observed, 'h1')
    })
    t.equal(await waiting, true)
  })

  void t.test(`wait() settles when a row of ${table} was looked at and nobody says so`, async (t) => {
    const database = await postgres.create(t)
    const id = idOf(await addRows(database))
    const waiting = open(t, database.api).wait({ table, id, generation: 1 }, patience)
    await database.agent.query(`update ${table} set observed_generation = 1 where id = $1`, [id])
    t.equal(await waiting, true)
  })

  void t.test(`wait() settles when a row of ${table} is gone`, async (t) => {
    const database = await postgres.create(t)
    const rows = await addRows(database)
    const waiting = open(t, database.api).wait({ table, id: idOf(rows) }, patience)
    await database.agent.query('delete from domains where id = $1', [rows.domain])
    await database.agent.query('delete from accounts where id = $1', [rows.account])
    t.equal(await waiting, true)
  })

  void t.test(`wait() for a generation settles when the row of ${table} is gone`, async (t) => {
    const database = await postgres.create(t)
    await addRows(database)
    t.equal(await open(t, database.api).wait({ table, id: 4711, generation: 1 }, patience), true)
  })
}

void t.test('wait() gives false in the end, when what was looked at is older', async (t) => {
  const database = await postgres.create(t)
  const { account } = await addRows(database)
  await database.owner.query('update accounts set generation = 2, observed_generation = 1')
  t.equal(await open(t, database.api).wait({ table: 'accounts', id: account, generation: 2 }, 700), false)
})

void t.test('wait() gives false in the end, when the row stays', async (t) => {
  const database = await postgres.create(t)
  const { domain } = await addRows(database)
  await database.owner.query('update domains set observed_generation = generation')
  t.equal(await open(t, database.api).wait({ table: 'domains', id: domain }, 700), false)
})

void t.test('wait() tells many waiters apart', async (t) => {
  const database = await postgres.create(t)
  const { account, domain } = await addRows(database)
  const observer = open(t, database.api)
  const settled = [
    observer.wait({ table: 'accounts', id: account, generation: 1 }, patience),
    observer.wait({ table: 'accounts', id: account, generation: 1 }, patience),
  ]
  const unsettled = [
    observer.wait({ table: 'accounts', id: account, generation: 2 }, 1500),
    observer.wait({ table: 'domains', id: domain, generation: 1 }, 1500),
  ]
  await database.agent.query('update accounts set observed_generation = 1')
  t.strictSame(await Promise.all(settled), [true, true])
  t.strictSame(await Promise.all(unsettled), [false, false])
})

/** The server's process that serves the listening connection, once there is another than `before`. */
async function listener(owner: Database, before?: number): Promise<number> {
  for (;;) {
    const rows = await owner.query<{ pid: number }>(
      `select pid from pg_stat_activity where datname = current_database() and query = $1 and pid <> $2`,
      [`listen ${observed}`, before ?? 0],
    )
    if (rows[0] !== undefined) return rows[0].pid
    await sleep(20)
  }
}

void t.test('an observer listens again when its connection is ended', async (t) => {
  const database = await postgres.create(t)
  const { account } = await addRows(database)
  const observer = open(t, database.api)
  const first = await listener(database.owner)
  const waiting = observer.wait({ table: 'accounts', id: account, generation: 1 }, patience)
  await database.owner.query('select pg_terminate_backend($1)', [first])
  t.not(await listener(database.owner, first), first)
  await database.agent.query('update accounts set observed_generation = 1')
  t.equal(await waiting, true)
})

void t.test('an observer is rung by a notification', async (t) => {
  const database = await postgres.create(t)
  await addRows(database)
  const observer = open(t, database.api)
  await listener(database.owner)
  let looks = 0
  const waiting = observer.waitFor(async () => ((looks += 1) >= 400 ? looks : undefined), 600_000)
  // By polling alone this would take longer than the whole file may.
  while (looks < 400) {
    const before = looks
    await notify(database.agent, observed, 'h1')
    while (looks === before) await sleep(1)
  }
  t.equal(await waiting, 400)
})

void t.test('wait() never rejects while the database is away', async (t) => {
  const nowhere = openDatabase({
    url: `postgres://nobody@/none?host=${encodeURIComponent(scratchFolder(t))}`,
    name: 'nowhere',
  })
  t.teardown(() => nowhere.end())
  t.equal(await open(t, nowhere).wait({ table: 'accounts', id: 1, generation: 1 }, 700), false)
})

void t.test('close() lets go of everybody who waits', async (t) => {
  const database = await postgres.create(t)
  const { account } = await addRows(database)
  const observer = createObserver(database.api)
  const waiting = observer.wait({ table: 'accounts', id: account, generation: 1 }, patience)
  await observer.close()
  t.equal(await waiting, false)
})

void t.test('waitFor() gives what the check gives', async (t) => {
  const database = await postgres.create(t)
  t.equal(await open(t, database.api).waitFor(async () => 'made', patience), 'made')
})

void t.test('waitFor() asks until there is something', async (t) => {
  const database = await postgres.create(t)
  const answers = [undefined, undefined, 'made']
  t.equal(await open(t, database.api).waitFor(async () => answers.shift(), patience), 'made')
})

void t.test('waitFor() gives undefined in the end', async (t) => {
  const database = await postgres.create(t)
  t.equal(await open(t, database.api).waitFor(async () => undefined, 100), undefined)
})

void t.test('waitFor() rejects as the check does', async (t) => {
  const database = await postgres.create(t)
  const check = () => Promise.reject(new Error('refused'))
  await t.rejects(open(t, database.api).waitFor(check, patience), { message: 'refused' })
})

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
/** Long enough that only the awaited event can end the wait. */
const patience = 60_000

interface Rows {
  readonly account: number
  readonly domain: number
}

/** Inserts one account with one domain, which no agent has observed. */
async function addRows({ owner, agent }: TestDatabase): Promise<Rows> {
  await addHost(agent)
  await owner.query(`insert into plans (name, spec) values ('small', '{}')`)
  const [account] = await owner.query<{ id: number }>(
    `insert into accounts (reseller, name, host, plan, ssh_keys, state, labels)
     values ('root', 'blog', 'h1', 'small', '{}', 'active', '{}') returning id`,
  )
  const [domain] = await owner.query<{ id: number }>(
    `insert into domains (name, registrable, account, port) values ('example.com', 'example.com', $1, 10240) returning id`,
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

  void t.test(`wait() resolves to true when the agent has observed a row of ${table} and notifies`, async (t) => {
    const database = await postgres.create(t)
    const id = idOf(await addRows(database))
    const waiting = open(t, database.api).wait({ table, id, generation: 1 }, patience)
    await database.agent.transaction(async (tx) => {
      await tx.query(`update ${table} set observed_generation = 1 where id = $1`, [id])
      await notify(tx, observed, 'h1')
    })
    t.equal(await waiting, true)
  })

  void t.test(
    `wait() resolves to true when the agent has observed a row of ${table}, without a notification`,
    async (t) => {
      const database = await postgres.create(t)
      const id = idOf(await addRows(database))
      const waiting = open(t, database.api).wait({ table, id, generation: 1 }, patience)
      await database.agent.query(`update ${table} set observed_generation = 1 where id = $1`, [id])
      t.equal(await waiting, true)
    },
  )

  void t.test(`wait() resolves to true when a row of ${table} is deleted`, async (t) => {
    const database = await postgres.create(t)
    const rows = await addRows(database)
    const waiting = open(t, database.api).wait({ table, id: idOf(rows) }, patience)
    await database.agent.query('delete from domains where id = $1', [rows.domain])
    await database.agent.query('delete from accounts where id = $1', [rows.account])
    t.equal(await waiting, true)
  })

  void t.test(`wait() for a generation resolves to true when the row of ${table} does not exist`, async (t) => {
    const database = await postgres.create(t)
    await addRows(database)
    t.equal(await open(t, database.api).wait({ table, id: 4711, generation: 1 }, patience), true)
  })
}

void t.test('wait() resolves to false after its time if only an older generation was observed', async (t) => {
  const database = await postgres.create(t)
  const { account } = await addRows(database)
  await database.owner.query('update accounts set generation = 2, observed_generation = 1')
  t.equal(await open(t, database.api).wait({ table: 'accounts', id: account, generation: 2 }, 700), false)
})

void t.test('wait() resolves to false after its time if the row still exists', async (t) => {
  const database = await postgres.create(t)
  const { domain } = await addRows(database)
  await database.owner.query('update domains set observed_generation = generation')
  t.equal(await open(t, database.api).wait({ table: 'domains', id: domain }, 700), false)
})

void t.test('wait() resolves only the waiters whose row was observed', async (t) => {
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

/** Returns the pid of the server process of the listening connection, as soon as it differs from `before`. */
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

void t.test('createObserver() listens again when its connection is ended', async (t) => {
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

void t.test('waitFor() calls the check at every notification', async (t) => {
  const database = await postgres.create(t)
  await addRows(database)
  const observer = open(t, database.api)
  await listener(database.owner)
  let looks = 0
  const waiting = observer.waitFor(async () => ((looks += 1) >= 400 ? looks : undefined), 600_000)
  // With polling alone this would take longer than the time limit of the file.
  while (looks < 400) {
    const before = looks
    await notify(database.agent, observed, 'h1')
    while (looks === before) await sleep(1)
  }
  t.equal(await waiting, 400)
})

void t.test('wait() does not reject while the database is unavailable', async (t) => {
  const nowhere = openDatabase({
    url: `postgres://none@/none?host=${encodeURIComponent(scratchFolder(t))}`,
    name: 'nowhere',
  })
  t.teardown(() => nowhere.end())
  t.equal(await open(t, nowhere).wait({ table: 'accounts', id: 1, generation: 1 }, 700), false)
})

void t.test('close() resolves every pending wait() to false', async (t) => {
  const database = await postgres.create(t)
  const { account } = await addRows(database)
  const observer = createObserver(database.api)
  const waiting = observer.wait({ table: 'accounts', id: account, generation: 1 }, patience)
  await observer.close()
  t.equal(await waiting, false)
})

void t.test('waitFor() resolves to the value of the check', async (t) => {
  const database = await postgres.create(t)
  t.equal(await open(t, database.api).waitFor(async () => 'made', patience), 'made')
})

void t.test('waitFor() calls the check until it returns a value', async (t) => {
  const database = await postgres.create(t)
  const answers = [undefined, undefined, 'made']
  t.equal(await open(t, database.api).waitFor(async () => answers.shift(), patience), 'made')
})

void t.test('waitFor() resolves to undefined after its time', async (t) => {
  const database = await postgres.create(t)
  t.equal(await open(t, database.api).waitFor(async () => undefined, 100), undefined)
})

void t.test('waitFor() rejects as the check does', async (t) => {
  const database = await postgres.create(t)
  const check = () => Promise.reject(new Error('refused'))
  await t.rejects(open(t, database.api).waitFor(check, patience), { message: 'refused' })
})

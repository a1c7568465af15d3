import { createHost } from '@puppy/host'
import t, { type Test } from 'tap'
import { runAgent, type AgentOptions } from '../src/agent.ts'
import type { Facility } from '../src/facilities/facility.ts'
import { openDatabase, StartError, type Database } from '@puppy/state'
import { askForPlan, findHost, registerHost } from '@puppy/state/store/hosts'
import { notify, wanted } from '@puppy/state/store/notify'
import { startPostgres, type TestDatabase } from '@puppy/state/testing'
import { addAccount, addDomain, addHostWith, contextOf, registration, slotStates, until } from './support/agents.ts'
import { smallLayout } from './support/rows.ts'

t.setTimeout(60_000)
const postgres = await startPostgres(t)

/** A facility that accepts everything. */
const content: Facility = {
  name: 'one',
  probe: async () => ({ works: true }),
  prepare: async () => ({ changes: [{ facility: 'one', target: 'host', action: 'prepare' }], apply: async () => [] }),
  build: async () => ({ changes: [], apply: async () => new Map() }),
  serve: async ({ tenants }) => ({
    changes: [],
    apply: async () => ({
      accounts: new Map(tenants.map(({ id }) => [id, { type: 'one', status: 'true', reason: 'applied' }])),
      domains: new Map(),
      gone: [],
    }),
  }),
  scrub: async (slots) => ({ changes: [], apply: async () => new Map(slots.map(({ n }) => [n, { done: true }])) }),
}

function optionsOf(database: TestDatabase, more: Partial<AgentOptions> = {}) {
  return { ...contextOf(database, [content]), registration, machine: createHost(), auditDays: 365, ...more }
}

interface Running {
  readonly ended: Promise<void>
  end(): Promise<void>
}

/** Starts an agent. It ends with the test at the latest. */
function start(t: Test, options: AgentOptions): Running {
  const ending = new AbortController()
  const ended = runAgent(options, ending.signal)
  // The tests that await `ended` see a failure. In other tests it is not an unhandled rejection.
  ended.catch(() => {})
  const end = () => {
    ending.abort(new Error('the test ended it'))
    return ended
  }
  t.teardown(() => end().catch(() => {}))
  return { ended, end }
}

/** Returns the pid of the PostgreSQL process that has the lease of `h1`. */
async function leaseHolder({ owner }: TestDatabase): Promise<number | undefined> {
  const rows = await owner.query<{ pid: number }>(
    `select l.pid from leases l join pg_stat_activity a on a.pid = l.pid and a.backend_start = l.started_at where l.host = 'h1'`,
  )
  return rows[0]?.pid
}

const observed = async (database: TestDatabase) =>
  ((await findHost(database.owner, 'h1'))?.observedGeneration ?? 0) >= 1

void t.test(
  'runAgent() registers its host, sends heartbeats, fills the pool and serves accounts until it is aborted',
  async (t) => {
    const database = await postgres.create(t)
    await addHostWith(database, [], { name: 'other' })
    const agent = start(t, optionsOf(database, { registration: { ...registration, poolFree: 2 } }))
    await until(async () => (await slotStates(database.owner)).length === 2)
    await until(async () => (await findHost(database.owner, 'h1'))?.alive === true)
    t.match(await findHost(database.owner, 'h1'), { machineId: 'machine of h1', mode: 'live', poolMax: 4 })
    await until(async () => (await slotStates(database.owner)).join() === '0 free,1 free')
    await addAccount(database.owner, 'blog')
    await notify(database.owner, wanted, 'h1')
    const looked = 'select 1 from accounts where slot is not null and observed_generation = generation'
    await until(async () => (await database.owner.query(looked)).length === 1)
    await agent.end()
    t.equal(await leaseHolder(database), undefined, 'the lease has ended')
  },
)

void t.test('runAgent() scrubs released slots and makes them free again', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['dirty'])
  await database.owner.query('update slots set evicted = false')
  start(t, optionsOf(database))
  await until(async () => (await slotStates(database.owner)).join() === '0 free')
  t.pass('the slot was evicted, scrubbed and built')
})

void t.test('runAgent() makes a plan on request', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database)
  start(t, optionsOf(database))
  await until(() => observed(database))
  const number = await askForPlan(database.owner, 'h1')
  await notify(database.owner, wanted, 'h1')
  await until(async () => (await findHost(database.owner, 'h1'))?.planMade === number)
  t.strictSame((await findHost(database.owner, 'h1'))?.changes, [
    { facility: 'one', target: 'host', action: 'prepare' },
  ])
})

void t.test('runAgent() updates the plan in a dry run', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database)
  start(t, optionsOf(database, { dryRun: true, registration: { ...registration, mode: 'dry_run' } }))
  await until(() => observed(database))
  const row = await findHost(database.owner, 'h1')
  t.equal(row?.mode, 'dry_run')
  t.strictSame(
    row?.conditions.map(({ type, status }) => [type, status]),
    [['one', 'unknown']],
  )
  const number = await askForPlan(database.owner, 'h1')
  await until(async () => (await findHost(database.owner, 'h1'))?.planMade === number)
})

void t.test('runAgent() refuses a host that another agent manages', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database)
  const first = start(t, optionsOf(database))
  await until(() => observed(database))
  const second = start(t, optionsOf(database))
  const elsewhere = start(t, optionsOf(database, { host: 'h2', registration: { ...registration, name: 'h2' } }))
  await until(async () => (await findHost(database.owner, 'h2'))?.observedGeneration === 1)
  t.pass('an agent for another host starts')
  await elsewhere.end()
  await t.rejects(second.ended, { name: 'HostBusy', message: /^Cannot manage host h1: another agent manages it/ })
  await first.end()
})

void t.test('runAgent() takes the lease when the previous agent ends', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database)
  const first = start(t, optionsOf(database))
  await until(() => observed(database))
  const old = await leaseHolder(database)
  start(t, optionsOf(database))
  await first.end()
  await until(async () => ![old, undefined].includes(await leaseHolder(database)))
  t.pass('the second agent has the lease')
})

void t.test('runAgent() refuses the name of another machine, and slots of another layout', async (t) => {
  for (const [title, more, message] of [
    ['machine', { machineId: 'another machine' }, /the name belongs to another machine \(machine of h1\)/],
    [
      'uid',
      { layout: { ...smallLayout, firstUid: 20_000 } },
      /built with PUPPY_FIRST_UID=10000 and PUPPY_FIRST_PORT=10240/,
    ],
    [
      'port',
      { layout: { ...smallLayout, firstPort: 10_248 } },
      /built with PUPPY_FIRST_UID=10000 and PUPPY_FIRST_PORT=10240/,
    ],
  ] as const) {
    const database = await postgres.create(t)
    await addHostWith(database, ['free'])
    const before = await findHost(database.owner, 'h1')
    const agent = start(t, optionsOf(database, { registration: { ...registration, ...more } }))
    const error = await agent.ended.catch((error: unknown) => error)
    t.match(error, { message }, title)
    t.equal(error instanceof StartError, true, title)
    t.same(await findHost(database.owner, 'h1'), before, `${title}: the row of the host is unchanged`)
    t.equal(await leaseHolder(database), undefined, `${title}: the lease has ended`)
  }
})

void t.test('runAgent() accepts another layout while no slot exists', async (t) => {
  const database = await postgres.create(t)
  await registerHost(database.agent, registration)
  const layout = { ...smallLayout, firstUid: 20_000 }
  start(t, optionsOf(database, { registration: { ...registration, layout } }))
  await until(() => observed(database))
  t.same((await findHost(database.owner, 'h1'))?.layout, layout)
})

void t.test('runAgent() ends with an error when the connection with the lease is lost', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database)
  const agent = start(t, optionsOf(database))
  await until(() => observed(database))
  await database.owner.query('select pg_terminate_backend($1)', [await leaseHolder(database)])
  await t.rejects(agent.ended, { message: 'Lost the database connection that has the lease of host h1' })
})

void t.test('runAgent() aborts running work when the connection with the lease is lost', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database)
  const { promise: aborted, resolve } = Promise.withResolvers<string>()
  const { promise: serving, resolve: serves } = Promise.withResolvers<undefined>()
  const slow: Facility = {
    ...content,
    serve: (_view, signal) =>
      new Promise((_, reject) => {
        serves(undefined)
        signal.addEventListener('abort', () => {
          resolve((signal.reason as Error).message)
          reject(new Error('cut off'))
        })
      }),
  }
  const agent = start(t, optionsOf(database, { facilities: [slow] }))
  await serving
  await database.owner.query('select pg_terminate_backend($1)', [await leaseHolder(database)])
  t.equal(await aborted, 'Lost the database connection that has the lease of host h1')
  await t.rejects(agent.ended, { message: 'Lost the database connection that has the lease of host h1' })
})

void t.test('runAgent() ends when its host was deleted', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database)
  const agent = start(t, optionsOf(database))
  await until(() => observed(database))
  await database.owner.query(`delete from hosts where name = 'h1'`)
  await notify(database.owner, wanted, 'h1')
  await t.rejects(agent.ended, {
    message: 'Host h1 is no longer registered in the database; start its agent again to register it',
  })
  t.equal(await leaseHolder(database), undefined)
})

void t.test('runAgent() ends at once when it is aborted before it starts', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database)
  await t.resolves(runAgent(optionsOf(database), AbortSignal.abort(new Error('aborted before'))))
  t.equal(await observed(database), false, 'it observed nothing')
})

void t.test('runAgent() logs a background task that fails, and continues', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['dirty'])
  const context = contextOf(database, [content])
  const fails = () => Promise.reject(new Error('no /proc'))
  const unready = { ...createHost(), read: fails, readEachLine: fails }
  const account = await addAccount(database.owner, 'blog')
  await addDomain(database.owner, 'blog.example.com', account, 10_240)
  start(t, { ...optionsOf(database), ...context, machine: unready })
  await until(() => context.lines.includes('A background task failed and will run again'))
  await until(async () => (await slotStates(database.owner)).join() === '0 free,1 taken')
  t.pass('one slot was scrubbed and one assigned nevertheless')
})

void t.test(
  'runAgent() meters traffic where the firewall works, and starts a complete pass when the counters are missing',
  async (t) => {
    const [here, without] = [await postgres.create(t), await postgres.create(t)]
    const asked = { here: 0, without: 0 }
    const passes = { here: 0, without: 0 }
    for (const [name, database] of [
      ['here', here],
      ['without', without],
    ] as const) {
      await addHostWith(database, ['taken'])
      await addAccount(database.owner, 'blog', 0)
      const works = name === 'here'
      const firewall: Facility = {
        ...content,
        name: 'firewall',
        probe: async () => ({ works }),
        serve: (view, signal) => {
          if (view.complete) passes[name] += 1
          return content.serve!(view, signal)
        },
      }
      const traffic = async () => {
        asked[name] += 1
        return []
      }
      start(t, { ...optionsOf(database), facilities: [firewall], firewall: { traffic } })
    }
    const usage = 'select 1 from usage where sent = 0 and received = 0'
    await until(async () => (await here.owner.query(usage)).length === 1)
    t.ok(asked.here > 0)
    await until(() => passes.here > 1)
    t.equal(asked.without, 0)
    t.strictSame(await without.owner.query('select 1 from usage'), [])
  },
)

void t.test('runAgent() records disk use where quota works, and deletes the record where it does not', async (t) => {
  const [here, without] = [await postgres.create(t), await postgres.create(t)]
  const nothing = { soft: 'none', hard: 'none', status: 'ok' } as const
  const report = async (ids: readonly number[] = []) =>
    ids.map((id) => ({ id, bytes: { ...nothing, used: 4096, hard: 8192 }, inodes: { ...nothing, used: 1 } }))
  for (const [database, works] of [
    [here, true],
    [without, false],
  ] as const) {
    await addHostWith(database, ['taken'])
    await addAccount(database.owner, 'blog', 0)
    const disk = JSON.stringify({ bytes: { used: 1 }, inodes: { used: 1 } })
    await database.owner.query('insert into usage (account, disk) select id, $1 from accounts', [disk])
    const quota: Facility = { ...content, name: 'quota', probe: async () => ({ works }) }
    start(t, { ...optionsOf(database), facilities: [quota], quota: { report } })
  }
  const diskOf = async (database: typeof here) =>
    (await database.owner.query<{ disk: unknown }>('select disk from usage'))[0]?.disk
  await until(async () => (await diskOf(without)) === null)
  await until(
    async () => JSON.stringify(await diskOf(here)) !== JSON.stringify({ bytes: { used: 1 }, inodes: { used: 1 } }),
  )
  t.strictSame(await diskOf(here), { bytes: { used: 4096, limit: 8192 }, inodes: { used: 1 } })
})

void t.test('runAgent() serves the other accounts while the API’s role holds rows', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken', 'taken'])
  const held = await addAccount(database.owner, 'held', 0)
  await addAccount(database.owner, 'other', 1)
  const agent = openDatabase({ url: database.urls.agent, name: 'agent', lockTimeout: 300 })
  t.teardown(() => agent.end())
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const { promise: locked, resolve: locks } = Promise.withResolvers<void>()
  const holding = database.api.transaction(async (tx) => {
    await tx.query('select 1 from accounts where id = $1 for update', [held])
    await tx.query('select 1 from hosts for update')
    locks()
    await released
  })
  t.teardown(() => (release(), holding))
  await locked
  const context = contextOf(database, [content], { database: agent })
  const running = start(t, { ...optionsOf(database), ...context })
  const looked = (name: string) =>
    database.owner.query('select 1 from accounts where name = $1 and observed_generation = generation', [name])
  await until(async () => (await looked('other')).length === 1)
  t.strictSame(await looked('held'), [], 'the locked row is not recorded')
  t.ok(context.lines.includes('The database refused accounts'))
  release()
  await holding
  await until(async () => (await looked('held')).length === 1)
  await until(() => observed(database))
  await running.end()
})

void t.test('runAgent() continues after passes that fail, and reports them until one succeeds', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken'])
  let failing = 0
  const broken: Database = {
    ...database.agent,
    // One part of the pass fails.
    snapshot: (work) => (failing > 0 ? Promise.reject(new Error('no snapshot')) : database.agent.snapshot(work)),
    query: (text, values) => {
      // The whole pass fails.
      if (failing > 2 && text.includes('from hosts where name')) {
        failing -= 1
        return Promise.reject(new Error('no host'))
      }
      if (failing > 0 && text.includes('pg_notify')) return Promise.reject(new Error('the queue is full'))
      return database.agent.query(text, values)
    },
  }
  const context = contextOf(database, [content], { database: broken })
  const agent = start(t, { ...optionsOf(database), ...context })
  await until(() => observed(database))
  failing = 4
  await addAccount(database.owner, 'blog', 0)
  const conditions = async () => (await findHost(database.owner, 'h1'))?.conditions ?? []
  await until(async () => (await conditions()).some(({ type }) => type === 'agent'))
  t.ok(context.lines.includes('A pass failed and will run again'))
  const told = (await conditions()).find(({ type }) => type === 'agent')
  t.match(told, { status: 'false', reason: 'pass_failed', message: /serve: no snapshot/ })
  failing = 0
  const ready = 'select 1 from accounts where observed_generation = generation'
  await until(async () => (await database.owner.query(ready)).length === 1)
  await until(async () => !(await conditions()).some(({ type }) => type === 'agent'))
  await agent.end()
  t.pass('it ended only when it was aborted')
})

void t.test('runAgent() starts while the API’s role holds every lock that it can take', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken'])
  await addAccount(database.owner, 'blog', 0)
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const { promise: locked, resolve: locks } = Promise.withResolvers<void>()
  const holding = database.api.transaction(async (tx) => {
    for (const classid of [7_077_079, 7_077_080, 7_077_081])
      await tx.query('select pg_advisory_xact_lock($1::bigint), pg_advisory_xact_lock($1::integer, hashtext($2))', [
        classid,
        'h1',
      ])
    for (const table of ['hosts', 'plans', 'domains']) await tx.query(`select 1 from ${table} for update`)
    for (const table of ['leases', 'accounts', 'slots', 'migrations'])
      await tx.query(`lock table ${table} in access share mode`)
    locks()
    await released
  })
  t.teardown(() => (release(), holding))
  await locked
  const agent = openDatabase({ url: database.urls.agent, name: 'agent', lockTimeout: 300 })
  t.teardown(() => agent.end())
  start(t, { ...optionsOf(database), ...contextOf(database, [content], { database: agent }) })
  const ready = 'select 1 from accounts where observed_generation = generation'
  await until(async () => (await database.owner.query(ready)).length === 1)
  t.ok(await leaseHolder(database))
})

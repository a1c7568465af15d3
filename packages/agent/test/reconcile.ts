import t from 'tap'
import type { Facility, View } from '../src/facilities/facility.ts'
import { scrub } from '../src/release.ts'
import { reconcile } from '../src/reconcile.ts'
import { refill } from '../src/slots.ts'
import { findHost } from '@puppy/state/store/hosts'
import { startPostgres } from '@puppy/state/testing'
import { addAccount, addDomain, addHostWith, contextOf, slotStates } from './support/agents.ts'
import { conditionsOf, facility, released } from './support/facilities.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)
const { signal } = new AbortController()
const complete = { complete: true, signal }
const scoped = { complete: false, signal }

void t.test('reconcile() serves in the order of the facilities and evicts in the reverse order', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['building', 'taken', 'dirty'])
  await database.owner.query(released, [2])
  await addAccount(database.owner, 'blog', 1)
  const seen: string[] = []
  await reconcile(
    contextOf(
      database,
      ['one', 'two'].map((name) => facility(name, { seen })),
    ),
    complete,
  )
  const both = (what: string, names = ['one', 'two']) =>
    names.flatMap((name) => [`${name} plans ${what}`, `${name} applies ${what.split(' ')[0]}`])
  t.same(seen, [...both('prepare'), ...both('build 0,1'), ...both('serve 1'), ...both('evict 2', ['two', 'one'])])
  t.same(await slotStates(database.owner), ['0 free', '1 taken', '2 dirty'])
  t.same(await conditionsOf(database, 'accounts'), { blog: ['one true applied', 'two true applied'] })
  const host = await findHost(database.owner, 'h1')
  t.equal(host?.observedGeneration, 1)
  t.strictSame(host?.facilities, { one: { works: true }, two: { works: true } })
  t.strictSame(
    host?.conditions.map(({ type, status, reason }) => [type, status, reason]),
    [
      ['one', 'true', 'prepared'],
      ['two', 'true', 'prepared'],
    ],
  )
})

void t.test('reconcile() sets verdicts of a failed facility only on what the facility judges', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken'])
  const account = await addAccount(database.owner, 'blog', 0)
  await addDomain(database.owner, 'blog.example.com', account, 10_240)
  const fails = 'serve'
  const facilities: readonly Facility[] = [
    { ...facility('one', { fails }), judges: ['accounts'] },
    { ...facility('haproxy', { fails }), judges: ['domains'] },
  ]
  await reconcile(contextOf(database, facilities), complete)
  t.same(await conditionsOf(database, 'accounts'), { blog: ['one false failed'] })
  t.same(await conditionsOf(database, 'domains'), { 'blog.example.com': ['haproxy false failed'] })
})

void t.test('reconcile() continues without a facility that does not work or cannot be prepared', async (t) => {
  for (const [title, doing, condition] of [
    ['its probe throws', { fails: 'probe' }, { reason: 'missing', message: 'the probe is out of order' }],
    ['it is not installed', { works: false }, { reason: 'missing', message: 'it is not installed' }],
    ['its preparation throws', { fails: 'prepare' }, { reason: 'failed', message: 'prepare is out of order' }],
    [
      'applying its preparation throws',
      { fails: 'prepare applied' },
      { reason: 'failed', message: 'prepare is out of order' },
    ],
  ] as const) {
    const database = await postgres.create(t)
    await addHostWith(database, ['building', 'taken'])
    await addAccount(database.owner, 'blog', 1)
    const seen: string[] = []
    const hostStatus = await reconcile(
      contextOf(database, [facility('one', { ...doing, seen }), facility('two')]),
      complete,
    )
    t.strictSame(
      hostStatus.conditions,
      [
        { type: 'one', status: 'false', ...condition },
        { type: 'two', status: 'true', reason: 'prepared' },
      ],
      title,
    )
    t.equal(hostStatus.states['two']?.works, true, title)
    t.equal(seen.includes('one applies serve'), condition.reason === 'failed', `${title}: whether serve is called`)
    t.equal((await conditionsOf(database, 'accounts'))['blog']?.at(-1), 'two true applied', title)
    t.strictSame(
      (await findHost(database.owner, 'h1'))?.conditions.map(({ type }) => type),
      hostStatus.conditions.map(({ type }) => type),
      title,
    )
  }
})

void t.test('reconcile() prepares a facility that installs itself, and probes it again', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['building', 'taken'])
  await addAccount(database.owner, 'blog', 1)
  const rows = [
    ['it is installed', [], true, { type: 'one', status: 'true', reason: 'prepared' }],
    ['it cannot be', ['no room'], false, { type: 'one', status: 'false', reason: 'missing', message: 'no room' }],
    ['it is not, silently', [], false, { type: 'one', status: 'false', reason: 'missing', message: 'it is absent' }],
  ] as const
  for (const [title, remarks, succeeds, condition] of rows) {
    const seen: string[] = []
    const one: Facility = {
      ...facility('one', { seen, remarks }),
      installs: true,
      probe: async () =>
        succeeds && seen.includes('one applies prepare') ? { works: true } : { works: false, reason: 'it is absent' },
    }
    const { conditions, states } = await reconcile(contextOf(database, [one]), complete)
    t.strictSame(conditions, [condition], title)
    t.equal(states['one']?.works, succeeds, title)
    t.equal(seen.includes('one applies serve'), succeeds, `${title}: whether serve is called`)
  }
  const seen: string[] = []
  const planned: Facility = {
    ...facility('one', { seen }),
    installs: true,
    probe: async () => ({ works: false, reason: 'it is absent' }),
  }
  const { conditions } = await reconcile({ ...contextOf(database, [planned]), dryRun: true }, complete)
  t.strictSame(conditions, [{ type: 'one', status: 'unknown', reason: 'dry_run' }])
  t.notOk(seen.includes('one applies prepare'), 'a dry run plans it')
})

void t.test('reconcile() reports the remarks of a preparation', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database)
  const { conditions } = await reconcile(contextOf(database, [facility('one', { remarks: ['a', 'b'] })]), complete)
  t.same(conditions, [{ type: 'one', status: 'true', reason: 'degraded', message: 'a; b' }])
})

void t.test(
  'reconcile() reports domains without a route, and purges deleted ones, where HAProxy does not work',
  async (t) => {
    const database = await postgres.create(t)
    await addHostWith(database, ['taken'])
    const account = await addAccount(database.owner, 'blog', 0)
    await addDomain(database.owner, 'blog.example.com', account, 10_240)
    await database.owner.query('update domains set deleted_at = now() where id = $1', [
      await addDomain(database.owner, 'gone.example.com', account, 10_240),
    ])
    const facilities = [{ ...facility('one'), judges: ['accounts'] as const, serve: facility('one').serve! }]
    await reconcile(contextOf(database, [...facilities, facility('haproxy', { works: false })]), complete)
    t.match((await conditionsOf(database, 'domains'))['blog.example.com']?.at(-1), 'haproxy false missing')
    t.same(await database.owner.query('select name from domains'), [{ name: 'blog.example.com' }])
  },
)

void t.test('reconcile() keeps a deleted domain until its route is removed', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken'])
  const account = await addAccount(database.owner, 'blog', 0)
  const id = await addDomain(database.owner, 'gone.example.com', account, 10_240)
  await database.owner.query('update domains set deleted_at = now() where id = $1', [id])
  const left = () => database.owner.query<{ id: number }>('select id from domains')
  await reconcile(contextOf(database, [facility('haproxy', { fails: 'serve applied' })]), complete)
  t.same(await left(), [{ id }])
  await reconcile(contextOf(database, [facility('haproxy')]), complete)
  t.same(await left(), [])
})

void t.test('reconcile() passes no invalid row to a facility', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken', 'taken'])
  await database.agent.query(`insert into slots (host, n, state) values ('h1', 4, 'taken')`)
  const good = await addAccount(database.owner, 'good', 0)
  await addAccount(database.owner, 'beyond', 4)
  await addDomain(database.owner, 'good.example.com', good, 10_247)
  await addDomain(database.owner, 'stolen.example.com', good, 10_248)
  const views: View[] = []
  const onView = (view: View) => views.push(view)
  await reconcile(contextOf(database, [facility('haproxy', { onView })]), complete)
  t.strictSame(
    views.map(({ tenants, routes }) => [
      tenants.map(({ name, domains }) => [name, domains]),
      routes.map(({ domain, port }) => [domain, port]),
    ]),
    [[[['good', ['good.example.com']]], [['good.example.com', 10_247]]]],
  )
  t.same(await conditionsOf(database, 'accounts'), { good: ['haproxy true applied'], beyond: ['slot false no_slot'] })
  t.same(await conditionsOf(database, 'domains'), {
    'good.example.com': ['haproxy true applied'],
    'stolen.example.com': ['slot false port_not_of_account'],
  })
})

void t.test('reconcile() visits only changed rows in a scoped pass', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken', 'taken', 'free'])
  await addAccount(database.owner, 'done', 0)
  const behind = await addAccount(database.owner, 'behind', 1)
  const seen: string[] = []
  const context = contextOf(database, [facility('one', { seen })])
  const hostStatus = await reconcile(context, complete)
  await database.owner.query('update accounts set generation = 2 where id = $1', [behind])
  seen.length = 0
  t.strictSame(await reconcile(context, scoped, hostStatus), hostStatus)
  t.same(seen, ['one plans serve 1', 'one applies serve'])
  seen.length = 0
  await addDomain(database.owner, 'behind.example.com', behind, 10_248)
  await reconcile(context, scoped, hostStatus)
  t.equal(seen[0], 'one plans serve 1', 'a changed domain makes its account visited')
  seen.length = 0
  await reconcile(context, complete)
  t.equal(seen.includes('one plans serve 0,1'), true, 'a complete pass visits all accounts')
  seen.length = 0
  await reconcile(context, scoped)
  t.equal(seen[0], 'one plans prepare', 'a first pass probes')
})

void t.test('reconcile() writes nothing when nothing changed', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken', 'free'])
  await addAccount(database.owner, 'blog', 0)
  const context = contextOf(database, [facility('one')])
  const versions = () =>
    database.owner.query<{ xmin: string }>('select xmin::text from accounts union all select xmin::text from slots')
  await reconcile(context, complete)
  const before = await versions()
  await reconcile(context, complete)
  t.same(await versions(), before)
})

void t.test('reconcile() applies nothing in a dry run, and records the plan', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['building', 'taken', 'dirty'])
  await database.owner.query(released, [2])
  await addAccount(database.owner, 'blog', 1)
  const seen: string[] = []
  const context = contextOf(database, [facility('one', { seen })], { dryRun: true })
  const hostStatus = await reconcile(context, complete)
  await refill(context, hostStatus, signal)
  await scrub(context, hostStatus, signal)
  t.equal(seen.length > 3, true)
  t.same(
    seen.filter((line) => line.includes('applies')),
    [],
  )
  t.same(await conditionsOf(database, 'accounts'), { blog: ['one unknown dry_run'] })
  t.strictSame((await findHost(database.owner, 'h1'))?.changes, [
    { facility: 'one', action: 'prepare', target: '' },
    { facility: 'one', action: 'build', target: '0,1' },
    { facility: 'one', action: 'serve', target: '1' },
    { facility: 'one', action: 'evict', target: '2' },
  ])
  t.equal((await slotStates(database.owner))[2], '2 dirty', 'a slot that was not scrubbed stays dirty')
  seen.length = 0
  const live = { ...context, dryRun: false }
  await scrub(live, await reconcile(live, complete), signal)
  t.same(
    seen.filter((line) => /evict|scrub/.test(line)),
    ['one plans evict 2', 'one applies evict', 'one plans scrub 2', 'one applies scrub'],
    'a later pass applies what the dry run planned',
  )
})

void t.test('reconcile() records only the plan with planOnly', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['building', 'taken', 'dirty'], { poolFree: 4 })
  await database.owner.query(released, [2])
  await addAccount(database.owner, 'blog', 1)
  await addAccount(database.owner, 'waits')
  await database.owner.query('update hosts set plan_wanted = 7')
  const everything = async () => [
    await slotStates(database.owner),
    await database.owner.query('select slot, observed_generation, conditions from accounts order by id'),
    await database.owner.query('select facilities, conditions, observed_generation from hosts'),
  ]
  const before = await everything()
  const seen: string[] = []
  await reconcile(contextOf(database, [facility('one', { seen })]), { ...complete, planOnly: true })
  t.same(await everything(), before)
  t.same(
    seen.filter((line) => line.includes('applies')),
    [],
  )
  const row = await findHost(database.owner, 'h1')
  t.equal(row?.planMade, 7)
  t.same(
    row?.changes.map(({ action, target }) => `${action} ${target}`.trim()),
    ['prepare', 'build 0,1', 'serve 1', 'evict 2'],
  )
})

void t.test('reconcile() refuses a host that is not registered', async (t) => {
  const database = await postgres.create(t)
  await t.rejects(reconcile(contextOf(database, []), complete), /^Host h1 is no longer registered/)
})

void t.test('reconcile() logs a repair once, and reports it in the conditions of the host for a day', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database)
  const repairs: string[] = []
  const context = contextOf(database, [
    facility('one', { repairs, remarks: ['it is old'] }),
    facility('two', { repairs }),
  ])
  const conditions = async () =>
    (await findHost(database.owner, 'h1'))?.conditions.map(({ at: _at, ...condition }) => condition)
  const old = { type: 'one', status: 'true', reason: 'degraded', message: 'it is old' }
  const fine = { type: 'two', status: 'true', reason: 'prepared' }
  let hostStatus = await reconcile(context, complete)
  t.strictSame(await conditions(), [old, fine])
  repairs.push('a table', 'a chain')
  hostStatus = await reconcile(context, complete, hostStatus)
  const told = [
    {
      type: 'one',
      status: 'true',
      reason: 'degraded',
      message: /^repaired at 2.*Z after a change from outside Puppy: a table; it is old$/,
    },
    {
      type: 'two',
      status: 'true',
      reason: 'repaired',
      message: /^repaired at 2.*Z after a change from outside Puppy: a chain$/,
    },
  ]
  t.matchOnlyStrict(await conditions(), told)
  t.strictSame(
    context.lines,
    ['one', 'two'].map((name) => `${name}: repaired a change from outside Puppy`),
  )
  hostStatus = await reconcile(context, scoped, hostStatus)
  hostStatus = await reconcile(context, complete, hostStatus)
  t.matchOnlyStrict(await conditions(), told, 'later passes still report it')
  t.equal(context.lines.length, 2)
  const yesterday = { at: new Date(Date.now() - 25 * 3_600_000), what: 'a table' }
  await reconcile(context, complete, { ...hostStatus, repairs: { two: yesterday } })
  t.strictSame(await conditions(), [old, fine], 'after a day it is not reported')
})

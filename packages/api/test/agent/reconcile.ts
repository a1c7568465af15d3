import t from 'tap'
import type { Facility, Given, Served, SlotVerdict, Step, View } from '../../src/agent/facilities/facility.ts'
import { reconcile, refill, scrub, type ReconcileContext } from '../../src/agent/reconcile.ts'
import type { Condition } from '../../src/conditions.ts'
import { findHost } from '../../src/store/hosts.ts'
import type { SlotState } from '../../src/store/slots.ts'
import { startPostgres, type TestDatabase } from '../support/database.ts'
import { addAccount, addDomain, addHostWith, contextOf, slotStates } from './support/agents.ts'
import { smallLayout } from './support/rows.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)
const { signal } = new AbortController()
const complete = { complete: true, signal }
const scoped = { complete: false, signal }

type Verb = 'prepare' | 'build' | 'serve' | 'evict' | 'scrub'

interface Doing {
  readonly seen?: string[]
  readonly fails?: Verb | 'probe' | `${Verb} applied`
  readonly blocks?: readonly number[]
  readonly keeps?: readonly number[]
  readonly remarks?: readonly string[]
  readonly repairs?: string[]
  readonly onView?: (view: View) => void
  readonly works?: boolean
  readonly clears?: boolean
}

/** A facility that does everything and writes down what it was asked for and what it applied. */
function facility(name: string, doing: Doing = {}): Facility {
  const {
    seen = [],
    fails,
    blocks = [],
    keeps = [],
    remarks = [],
    repairs = [],
    onView,
    works = true,
    clears = false,
  } = doing
  const step = <Result>(verb: Verb, targets: string, result: Result): Step<Result> => {
    seen.push(`${name} plans ${verb}${targets}`)
    if (fails === verb) throw new Error(`${verb} is out of order`)
    return {
      changes: [{ facility: name, target: targets.trim(), action: verb }],
      apply: async () => {
        if (fails === `${verb} applied`) throw new Error(`${verb} is out of order`)
        seen.push(`${name} applies ${verb}`)
        return result
      },
    }
  }
  const given = (slots: readonly { readonly n: number }[]) =>
    new Map(
      slots.map(({ n }): [number, Given] => [
        n,
        keeps.includes(n) ? { done: false, message: 'stuck' } : { done: true },
      ]),
    )
  const numbers = (slots: readonly { readonly n: number }[]) => ` ${slots.map(({ n }) => n).join()}`
  return {
    name,
    clears,
    probe: async () => {
      if (fails === 'probe') throw new Error('the probe is out of order')
      return works ? { works } : { works, reason: 'it is not installed' }
    },
    prepare: async () => step('prepare', '', remarks),
    build: async (slots) => {
      const verdicts = slots.map(({ slot: { n } }): [number, SlotVerdict] =>
        blocks.includes(n)
          ? [n, { status: 'blocked', reason: 'uid_taken', message: 'anna has it' }]
          : [n, { status: 'ready' }],
      )
      return step('build', numbers(slots.map(({ slot }) => slot)), new Map(verdicts))
    },
    serve: async (view) => {
      onView?.(view)
      const verdict = { type: name, status: 'true', reason: 'applied' } as const
      const repaired = repairs.shift()
      const served: Served = {
        ...(repaired === undefined ? {} : { repaired }),
        accounts: new Map(view.tenants.map(({ id }) => [id, verdict])),
        domains: new Map(view.routes.map(({ id }) => [id, verdict])),
        gone: view.goneRoutes.map(({ id }) => id),
      }
      return step('serve', numbers(view.tenants.map(({ slot }) => slot)), served)
    },
    evict: async (slots) => step('evict', numbers(slots), given(slots)),
    scrub: async (slots) => step('scrub', numbers(slots), given(slots)),
  }
}

/** Conditions of accounts or domains as words: `quota true applied`. */
async function conditionsOf(database: TestDatabase, table: 'accounts' | 'domains'): Promise<Record<string, string[]>> {
  const rows = await database.owner.query<{ name: string; conditions: readonly Condition[] }>(
    `select name, conditions from ${table} where observed_generation >= generation order by id`,
  )
  const words = ({ type, status, reason }: Condition) => `${type} ${status} ${reason}`
  return Object.fromEntries(rows.map(({ name, conditions }) => [name, conditions.map(words)]))
}

const released = `update slots set state = 'dirty', evicted = false where host = 'h1' and n = $1`

void t.test('reconcile builds walls in the order of the facilities and takes them down backwards', async (t) => {
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
  t.match(await findHost(database.owner, 'h1'), {
    observedGeneration: 1,
    facilities: { one: { works: true }, two: { works: true } },
    conditions: [
      { type: 'one', status: 'true', reason: 'prepared' },
      { type: 'two', status: 'true', reason: 'prepared' },
    ],
  })
})

void t.test('reconcile lets a facility that throws spoil only its own part', async (t) => {
  for (const fails of ['serve', 'serve applied'] as const) {
    const database = await postgres.create(t)
    await addHostWith(database, ['taken'])
    const account = await addAccount(database.owner, 'blog', 0)
    await addDomain(database.owner, 'blog.example.com', account, 10_240)
    const facilities = [facility('one'), facility('two', { fails }), facility('haproxy')]
    const context = contextOf(database, facilities)
    await reconcile(context, complete)
    const expected = ['one true applied', 'two false failed', 'haproxy true applied']
    t.same(await conditionsOf(database, 'accounts'), { blog: expected }, fails)
    t.same(await conditionsOf(database, 'domains'), { 'blog.example.com': expected }, fails)
    t.same(context.lines, ['two failed'], fails)
    await reconcile({ ...context, facilities: [facility('one'), facility('two'), facility('haproxy')] }, complete)
    t.same((await conditionsOf(database, 'accounts'))['blog']?.[1], 'two true applied', `${fails}: and mends it`)
  }
})

void t.test('reconcile gives verdicts only on what a failed facility judges', async (t) => {
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

void t.test('reconcile goes on without a facility that does not work or cannot be prepared', async (t) => {
  for (const [title, doing, condition] of [
    ['its probe throws', { fails: 'probe' }, { reason: 'missing', message: 'the probe is out of order' }],
    ['it is not installed', { works: false }, { reason: 'missing', message: 'it is not installed' }],
    ['its preparation throws', { fails: 'prepare' }, { reason: 'failed', message: 'prepare is out of order' }],
    ['applying its preparation throws', { fails: 'prepare applied' }, { reason: 'failed' }],
  ] as const) {
    const database = await postgres.create(t)
    await addHostWith(database, ['building', 'taken'])
    await addAccount(database.owner, 'blog', 1)
    const seen: string[] = []
    const ground = await reconcile(
      contextOf(database, [facility('one', { ...doing, seen }), facility('two')]),
      complete,
    )
    t.match(
      ground.conditions,
      [
        { type: 'one', status: 'false', ...condition },
        { type: 'two', status: 'true' },
      ],
      title,
    )
    t.equal(ground.states['two']?.works, true, title)
    t.equal(seen.includes('one applies serve'), condition.reason === 'failed', `${title}: whether it is asked to serve`)
    t.equal((await conditionsOf(database, 'accounts'))['blog']?.at(-1), 'two true applied', title)
    t.match(
      await findHost(database.owner, 'h1'),
      { conditions: ground.conditions.map(({ type }) => ({ type })) },
      title,
    )
  }
})

void t.test('reconcile tells the remarks of a preparation', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database)
  const { conditions } = await reconcile(contextOf(database, [facility('one', { remarks: ['a', 'b'] })]), complete)
  t.same(conditions, [{ type: 'one', status: 'true', reason: 'degraded', message: 'a; b' }])
})

void t.test('reconcile says of domains that nobody routes them, and forgets deleted ones', async (t) => {
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
})

void t.test('reconcile keeps a deleted domain until the proxy has seen it gone', async (t) => {
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

void t.test('reconcile shows rows that make no sense to no facility', async (t) => {
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
  t.match(views, [{ tenants: [{ name: 'good', domains: ['good.example.com'] }], routes: [{ port: 10_247 }] }])
  t.same([views[0]?.tenants.length, views[0]?.routes.length], [1, 1])
  t.same(await conditionsOf(database, 'accounts'), { good: ['haproxy true applied'], beyond: ['slot false no_slot'] })
  t.same(await conditionsOf(database, 'domains'), {
    'good.example.com': ['haproxy true applied'],
    'stolen.example.com': ['slot false port_not_of_account'],
  })
})

void t.test('reconcile blocks what somebody else has, shows it to no other facility, and frees the rest', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['building', 'building', 'free'])
  const seen: string[] = []
  const context = contextOf(database, [facility('one', { blocks: [1, 2] }), facility('two', { seen })])
  await reconcile(context, complete)
  t.same(await slotStates(database.owner), ['0 free', '1 blocked: uid_taken', '2 blocked: uid_taken'])
  t.same(
    seen.filter((line) => line.includes('plans build')),
    ['two plans build 0'],
  )
  await reconcile({ ...context, facilities: [facility('one'), facility('two')] }, complete)
  t.same(await slotStates(database.owner), ['0 free', '1 free', '2 free'], 'free again when nobody has it any more')
})

void t.test('reconcile leaves slots that cannot be built building, with the reason', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['building', 'free', 'taken'])
  await reconcile(contextOf(database, [facility('one', { fails: 'build' })]), complete)
  t.same(await slotStates(database.owner), ['0 building: build_failed', '1 building: build_failed', '2 taken'])
})

void t.test('reconcile frees no slot that nobody could build', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['building'])
  await reconcile(contextOf(database, [facility('one', { fails: 'probe' })]), complete)
  t.same(await slotStates(database.owner), ['0 building'])
})

void t.test('reconcile gives slots to accounts that wait, oldest first, and makes more', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['free'], { poolMax: 3 })
  for (const name of ['first', 'second', 'third', 'fourth']) await addAccount(database.owner, name)
  const context = contextOf(database, [facility('one')])
  const ground = await reconcile(context, complete)
  const slots = () => database.owner.query('select name, slot from accounts order by id')
  t.same(await slots(), [
    { name: 'first', slot: 0 },
    { name: 'second', slot: 1 },
    { name: 'third', slot: 2 },
    { name: 'fourth', slot: null },
  ])
  t.same(Object.keys(await conditionsOf(database, 'accounts')), ['first', 'second', 'third'], 'and serves them')
  await database.owner.query(`update hosts set pool_max = 4`)
  await reconcile(context, scoped, ground)
  t.match((await slots()).at(-1), { slot: 3 }, 'also in a scoped pass')
})

void t.test('reconcile looks in a scoped pass only at what is behind', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken', 'taken', 'free'])
  await addAccount(database.owner, 'done', 0)
  const behind = await addAccount(database.owner, 'behind', 1)
  const seen: string[] = []
  const context = contextOf(database, [facility('one', { seen })])
  const ground = await reconcile(context, complete)
  await database.owner.query('update accounts set generation = 2 where id = $1', [behind])
  seen.length = 0
  t.equal(await reconcile(context, scoped, ground), ground)
  t.same(seen, ['one plans serve 1', 'one applies serve'])
  seen.length = 0
  await addDomain(database.owner, 'behind.example.com', behind, 10_248)
  await reconcile(context, scoped, ground)
  t.equal(seen[0], 'one plans serve 1', 'a domain that is behind counts as its account')
  seen.length = 0
  await reconcile(context, complete)
  t.equal(seen.includes('one plans serve 0,1'), true, 'a complete pass looks at all')
  seen.length = 0
  await reconcile(context, scoped)
  t.equal(seen[0], 'one plans prepare', 'a first pass finds the ground out')
})

void t.test('reconcile writes nothing about what it finds unchanged', async (t) => {
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

void t.test('reconcile applies nothing in a dry run, and shows the plan', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['building', 'taken', 'dirty'])
  await database.owner.query(released, [2])
  await addAccount(database.owner, 'blog', 1)
  const seen: string[] = []
  const context = contextOf(database, [facility('one', { seen })], { dryRun: true })
  const ground = await reconcile(context, complete)
  await refill(context, ground, signal)
  await scrub(context, ground, signal)
  t.equal(seen.length > 3, true)
  t.same(
    seen.filter((line) => line.includes('applies')),
    [],
  )
  t.same(await conditionsOf(database, 'accounts'), { blog: ['one unknown dry_run'] })
  t.match((await findHost(database.owner, 'h1'))?.changes, [
    { action: 'prepare' },
    { action: 'build', target: '0,1' },
    { action: 'serve', target: '1' },
    { action: 'evict', target: '2' },
  ])
  t.equal((await slotStates(database.owner))[2], '2 dirty', 'nobody gets a slot that was not scrubbed')
  seen.length = 0
  const live = { ...context, dryRun: false }
  await scrub(live, await reconcile(live, complete), signal)
  t.same(
    seen.filter((line) => /evict|scrub/.test(line)),
    ['one plans evict 2', 'one applies evict', 'one plans scrub 2', 'one applies scrub'],
    'what a dry run only planned is done afterwards',
  )
})

void t.test('reconcile records nothing but the plan when only that is wanted', async (t) => {
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

void t.test('reconcile keeps a deleted account until its slot was evicted', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken'])
  const id = await addAccount(database.owner, 'blog', 0)
  await database.owner.query('update accounts set deleted_at = now() where id = $1', [id])
  await database.owner.query(released, [0])
  const left = () => database.owner.query('select id from accounts')
  for (const doing of [{ fails: 'evict' }, { keeps: [0] }] as const) {
    await reconcile(contextOf(database, [facility('one', doing), facility('two')]), complete)
    t.same([await left(), await slotStates(database.owner)], [[{ id }], ['0 dirty: evict_failed']])
  }
  const context = contextOf(database, [facility('one'), facility('two')])
  await reconcile(context, scoped, await reconcile(context, { ...complete, planOnly: true }))
  t.same([await left(), await slotStates(database.owner)], [[], ['0 dirty']])
  t.same(context.lines, ['accounts removed'])
})

void t.test('reconcile stops when it is told to, without a verdict', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken'])
  await addAccount(database.owner, 'blog', 0)
  const ending = new AbortController()
  const stops: Facility = {
    ...facility('one'),
    serve: () => {
      ending.abort(new Error('told to end'))
      return Promise.reject(new Error('cut off'))
    },
  }
  const pass = reconcile(contextOf(database, [stops]), { complete: true, signal: ending.signal })
  await t.rejects(pass, { message: 'told to end' })
  t.same(await conditionsOf(database, 'accounts'), {})
})

void t.test('reconcile refuses a host that nobody registered', async (t) => {
  const database = await postgres.create(t)
  await t.rejects(reconcile(contextOf(database, []), complete), /not registered any more/)
})

void t.test('scrub frees what is proven clean for building, and keeps the rest dirty', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['dirty', 'dirty', 'free'])
  const seen: string[] = []
  const context = contextOf(database, [facility('one', { keeps: [1], seen }), facility('two', { seen })])
  const ground = await reconcile(context, { ...complete, planOnly: true })
  seen.length = 0
  t.equal(await scrub(context, ground, signal), 2)
  t.same(
    seen.filter((line) => line.includes('plans')),
    ['one plans scrub 0,1', 'two plans scrub 0'],
    'what one could not clean the next need not look for',
  )
  t.same(await slotStates(database.owner), ['0 building', '1 dirty: scrub_failed', '2 free'])
  t.match(await database.owner.query('select message from slots where n = 1'), [{ message: /^one: stuck/ }])
  t.equal(await scrub(context, ground, signal), 0, 'one that failed is not tried again at once')
  await database.owner.query(`update slots set changed_at = now() - interval '1 minute' where n = 1`)
  t.equal(await scrub({ ...context, facilities: [facility('one')] }, ground, signal), 1, 'but later')
  t.equal((await slotStates(database.owner))[1], '1 building')
})

void t.test('scrub keeps a slot dirty when a facility throws or the one that clears does not work', async (t) => {
  for (const [fails, clears, expected] of [
    ['scrub', false, '0 dirty: scrub_failed'],
    ['scrub applied', false, '0 dirty: scrub_failed'],
    ['probe', true, '0 dirty'],
    ['probe', false, '0 building'],
  ] as const) {
    const database = await postgres.create(t)
    await addHostWith(database, ['dirty'])
    const context = contextOf(database, [facility('one', { fails, clears }), facility('two')])
    const ground = await reconcile(context, complete)
    await scrub(context, ground, signal)
    t.same(await slotStates(database.owner), [expected], `${fails} ${clears}`)
  }
})

void t.test('scrub leaves alone what was not evicted', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['dirty'])
  const context = contextOf(database, [facility('one')])
  const ground = await reconcile(context, complete)
  await database.owner.query(released, [0])
  t.equal(await scrub(context, ground, signal), 0)
  t.same(await slotStates(database.owner), ['0 dirty'])
})

const many = (counts: Partial<Record<SlotState, number>>): readonly SlotState[] =>
  (['building', 'free', 'taken', 'dirty', 'blocked'] as const).flatMap((state) =>
    Array.from({ length: counts[state] ?? 0 }, () => state),
  )

void t.test('refill adds as many slots as are lacking, in whole batches', async (t) => {
  const database = await postgres.create(t)
  const layout = { ...smallLayout, portLimit: smallLayout.firstPort + 800 }
  await addHostWith(database, [], { layout })
  for (const [title, { free, max, waiting }, slots, added] of [
    ['an empty pool', { free: 10, max: 100, waiting: 0 }, {}, 10],
    ['a full one', { free: 10, max: 100, waiting: 0 }, { free: 10, taken: 5 }, 0],
    ['more than enough', { free: 2, max: 100, waiting: 0 }, { free: 5 }, 0],
    ['one lacking: a batch', { free: 10, max: 100, waiting: 0 }, { free: 9 }, 10],
    ['slots that are being built count', { free: 4, max: 100, waiting: 0 }, { building: 4 }, 0],
    ['slots to be scrubbed count', { free: 4, max: 100, waiting: 0 }, { free: 1, dirty: 3 }, 0],
    ['but nobody waits for a scrub', { free: 2, max: 100, waiting: 3 }, { dirty: 9 }, 3],
    ['blocked ones do not count', { free: 4, max: 100, waiting: 0 }, { blocked: 4 }, 4],
    ['those who wait, and the wish', { free: 2, max: 100, waiting: 5 }, {}, 7],
    ['those who wait, when none are wanted free', { free: 0, max: 100, waiting: 3 }, {}, 3],
    ['nobody waits and none are wanted', { free: 0, max: 100, waiting: 0 }, {}, 0],
    ['up to the most', { free: 10, max: 12, waiting: 0 }, { taken: 8 }, 4],
    ['at the most', { free: 10, max: 8, waiting: 2 }, { taken: 8 }, 0],
    ['above the most', { free: 10, max: 4, waiting: 0 }, { taken: 8 }, 0],
    ['never more than have ports', { free: 50, max: 1000, waiting: 0 }, { taken: 80 }, 20],
  ] as const) {
    await database.owner.query('delete from accounts')
    await database.owner.query('delete from slots')
    await addHostWith(database, many(slots), { layout })
    await database.owner.query('update hosts set pool_free = $1, pool_max = $2', [free, max])
    for (let index = 0; index < waiting; index += 1) await addAccount(database.owner, `waiting-${index}`)
    const context: ReconcileContext = contextOf(database, [facility('one')])
    const before = (await slotStates(database.owner)).length
    await refill(context, { states: { one: { works: true } }, conditions: [], repairs: {} }, signal)
    const after = await slotStates(database.owner)
    t.equal(after.length - before, added, title)
    const still = await database.owner.query('select 1 from accounts where slot is null')
    const usable = before + added - after.filter((state) => /dirty|blocked/.test(state)).length
    t.equal(still.length === 0 || usable < waiting + (('taken' in slots && slots.taken) || 0), true, `${title}: given`)
  }
})

void t.test('refill does nothing for a host that is not registered', async (t) => {
  const database = await postgres.create(t)
  const seen: string[] = []
  const context = contextOf(database, [facility('one', { seen })])
  await refill(context, { states: { one: { works: true } }, conditions: [], repairs: {} }, signal)
  t.same(seen, [])
})

void t.test('reconcile tells the log and the host of what was repaired, and goes on telling the host', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database)
  const repairs: string[] = []
  const context = contextOf(database, [
    facility('one', { repairs, remarks: ['it is old'] }),
    facility('two', { repairs }),
  ])
  const conditions = async () => (await findHost(database.owner, 'h1'))?.conditions
  let ground = await reconcile(context, complete)
  t.match(await conditions(), [{ reason: 'degraded' }, { reason: 'prepared' }])
  repairs.push('a table', 'a chain')
  ground = await reconcile(context, complete, ground)
  const told = [
    {
      type: 'one',
      status: 'true',
      reason: 'degraded',
      message: /^changed by others and repaired at 2.*Z: a table; it is old$/,
    },
    { type: 'two', status: 'true', reason: 'repaired', message: /^changed by others and repaired at 2.*Z: a chain$/ },
  ]
  t.match(await conditions(), told)
  t.strictSame(
    context.lines,
    ['one', 'two'].map((name) => `${name} was changed by others and has been repaired`),
  )
  ground = await reconcile(context, scoped, ground)
  ground = await reconcile(context, complete, ground)
  t.match(await conditions(), told, 'an operator looks later')
  t.equal(context.lines.length, 2)
  const yesterday = { at: new Date(Date.now() - 25 * 3_600_000), what: 'a table' }
  await reconcile(context, complete, { ...ground, repairs: { two: yesterday } })
  t.match(
    await conditions(),
    [{ reason: 'degraded', message: 'it is old' }, { reason: 'prepared' }],
    'but not for ever',
  )
})

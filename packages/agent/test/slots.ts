import t from 'tap'
import type { ReconcileContext } from '../src/pass.ts'
import { reconcile } from '../src/reconcile.ts'
import { refill } from '../src/slots.ts'
import type { SlotState } from '@puppy/state/store/slots'
import { startPostgres } from '@puppy/state/testing'
import { addAccount, addHostWith, contextOf, slotStates } from './support/agents.ts'
import { conditionsOf, facility } from './support/facilities.ts'
import { smallLayout } from './support/rows.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)
const { signal } = new AbortController()
const complete = { complete: true, signal }
const scoped = { complete: false, signal }

void t.test(
  'reconcile() blocks a slot of another user, passes it to no other facility, and makes the others free',
  async (t) => {
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
    t.same(await slotStates(database.owner), ['0 free', '1 free', '2 free'], 'free again when no other user has it')
  },
)

void t.test('reconcile() keeps a slot building, with the reason, when it cannot be built', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['building', 'free', 'taken'])
  await addAccount(database.owner, 'blog', 2)
  await reconcile(contextOf(database, [facility('one', { fails: 'build' })]), complete)
  t.same(await slotStates(database.owner), ['0 building: build_failed', '1 building: build_failed', '2 taken'])
})

void t.test('reconcile() makes no slot free when no facility can build', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['building'])
  await reconcile(contextOf(database, [facility('one', { fails: 'probe' })]), complete)
  t.same(await slotStates(database.owner), ['0 building'])
})

void t.test('reconcile() assigns slots to waiting accounts, oldest first, and adds slots', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['free'], { poolMax: 3 })
  for (const name of ['first', 'second', 'third', 'fourth']) await addAccount(database.owner, name)
  const context = contextOf(database, [facility('one')])
  const hostStatus = await reconcile(context, complete)
  const slots = () => database.owner.query('select name, slot from accounts order by id')
  t.same(await slots(), [
    { name: 'first', slot: 0 },
    { name: 'second', slot: 1 },
    { name: 'third', slot: 2 },
    { name: 'fourth', slot: null },
  ])
  t.same(Object.keys(await conditionsOf(database, 'accounts')), ['first', 'second', 'third'], 'it serves them')
  await database.owner.query(`update hosts set pool_max = 4`)
  await reconcile(context, scoped, hostStatus)
  t.match((await slots()).at(-1), { slot: 3 }, 'also in a scoped pass')
})

const many = (counts: Partial<Record<SlotState, number>>): readonly SlotState[] =>
  (['building', 'free', 'taken', 'dirty', 'blocked'] as const).flatMap((state) =>
    Array.from({ length: counts[state] ?? 0 }, () => state),
  )

void t.test('refill() adds as many slots as are missing, in whole batches', async (t) => {
  const database = await postgres.create(t)
  const layout = { ...smallLayout, portLimit: smallLayout.firstPort + 800 }
  await addHostWith(database, [], { layout })
  for (const [title, { free, max, waiting }, slots, added] of [
    ['an empty pool', { free: 10, max: 100, waiting: 0 }, {}, 10],
    ['a full pool', { free: 10, max: 100, waiting: 0 }, { free: 10, taken: 5 }, 0],
    ['more than enough', { free: 2, max: 100, waiting: 0 }, { free: 5 }, 0],
    ['one missing: a whole batch', { free: 10, max: 100, waiting: 0 }, { free: 9 }, 10],
    ['slots that are being built count', { free: 4, max: 100, waiting: 0 }, { building: 4 }, 0],
    ['slots to be scrubbed count', { free: 4, max: 100, waiting: 0 }, { free: 1, dirty: 3 }, 0],
    ['but accounts do not wait for a scrub', { free: 2, max: 100, waiting: 3 }, { dirty: 9 }, 3],
    ['blocked slots do not count', { free: 4, max: 100, waiting: 0 }, { blocked: 4 }, 4],
    ['waiting accounts and the free pool', { free: 2, max: 100, waiting: 5 }, {}, 7],
    ['waiting accounts without a free pool', { free: 0, max: 100, waiting: 3 }, {}, 3],
    ['no waiting account and no free pool', { free: 0, max: 100, waiting: 0 }, {}, 0],
    ['up to the maximum', { free: 10, max: 12, waiting: 0 }, { taken: 8 }, 4],
    ['at the maximum', { free: 10, max: 8, waiting: 2 }, { taken: 8 }, 0],
    ['above the maximum', { free: 10, max: 4, waiting: 0 }, { taken: 8 }, 0],
    ['at most the slots that have ports', { free: 50, max: 1000, waiting: 0 }, { taken: 80 }, 20],
  ] as const) {
    await database.owner.query('delete from accounts')
    await database.owner.query('delete from slots')
    await addHostWith(database, many(slots), { layout })
    await database.owner.query('update hosts set pool_free = $1, pool_max = $2', [free, max])
    for (let index = 0; index < waiting; index += 1) await addAccount(database.owner, `waiting-${index}`)
    const context: ReconcileContext = contextOf(database, [facility('one')])
    const before = (await slotStates(database.owner)).length
    await refill(context, { states: { one: { works: true } }, conditions: [], repairs: {}, failures: {} }, signal)
    const after = await slotStates(database.owner)
    t.equal(after.length - before, added, title)
    const still = await database.owner.query('select 1 from accounts where slot is null')
    const usable = before + added - after.filter((state) => /dirty|blocked/.test(state)).length
    t.equal(
      still.length === 0 || usable < waiting + (('taken' in slots && slots.taken) || 0),
      true,
      `${title}: assigned`,
    )
  }
})

void t.test('refill() does nothing for a host that is not registered', async (t) => {
  const database = await postgres.create(t)
  const seen: string[] = []
  const context = contextOf(database, [facility('one', { seen })])
  await refill(context, { states: { one: { works: true } }, conditions: [], repairs: {}, failures: {} }, signal)
  t.same(seen, [])
})

void t.test('reconcile() assigns slots one by one when the assignment of all is refused', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['free', 'free', 'free'])
  const ids = [
    await addAccount(database.owner, 'a'),
    await addAccount(database.owner, 'b'),
    await addAccount(database.owner, 'c'),
  ]
  // A transaction that assigns a slot to the second account is refused.
  await database.owner.query(
    `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no slot for it'; end $$`,
  )
  await database.owner.query(
    `create trigger refuse before update of slot on accounts for each row when (old.id = ${ids[1]}) execute function refuse()`,
  )
  const context = contextOf(database, [facility('one')])
  const { failures } = await reconcile(context, scoped)
  const rows = await database.owner.query('select slot from accounts order by id')
  t.strictSame(rows, [{ slot: 0 }, { slot: null }, { slot: 1 }])
  t.strictSame(failures, { 'assign slots': 'no slot for it' })
})

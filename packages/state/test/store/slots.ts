import t from 'tap'
import { openDatabase } from '../../src/database/pool.ts'
import { findAccount, markAccountDeleted } from '../../src/store/accounts.ts'
import {
  assignWaiting,
  listWaiting,
  countSlots,
  countWaiting,
  insertSlots,
  listOccupants,
  listSlots,
  readDemand,
  recordSlots,
  releaseSlot,
  slotsToScrub,
  slotsToVisit,
  takeSlot,
  readBuiltSlots,
  type SlotUpdate,
} from '../../src/store/slots.ts'
import { addHost, addAccount, addPlan, one } from '../support/rows.ts'
import { startPostgres } from '../support/database.ts'

const postgres = await startPostgres(t)
const update = (n: number, from: SlotUpdate['from'], to: SlotUpdate['to']): SlotUpdate => ({
  n,
  from,
  to,
  evicted: true,
  reason: null,
  message: null,
})

void t.test('readBuiltSlots() returns built slots with their egress policy', async (t) => {
  const { agent, api, owner } = await postgres.create(t)
  await addHost(agent, 'h1', 6)
  await addPlan(api)
  await addPlan(api, 'closed', { egress: 'local' })
  await addAccount(api, 'a', { plan: 'closed' })
  await addAccount(api, 'b')
  await owner.query("update slots set state = 'blocked' where n = 3")
  await owner.query("update slots set state = 'building' where n = 4")
  await owner.query("update slots set state = 'dirty' where n = 5")
  t.strictSame(await readBuiltSlots(agent, 'h1'), [
    { n: 0, egress: 'local', free: false },
    { n: 1, egress: 'default', free: false },
    { n: 2, egress: 'default', free: true },
    // The ports of a slot are not free while it is scrubbed.
    { n: 5, egress: 'default', free: false },
  ])
})

void t.test('insertSlots() inserts the lowest missing numbers below max', async (t) => {
  const { agent, owner } = await postgres.create(t)
  await addHost(agent, 'h1', 3)
  await owner.query('delete from slots where n = 1')
  t.equal(await insertSlots(agent, 'h1', 2, 10), 2)
  t.strictSame(
    (await listSlots(agent, 'h1')).map(({ n, state }) => [n, state]),
    [
      [0, 'free'],
      [1, 'building'],
      [2, 'free'],
      [3, 'building'],
    ],
  )
  t.equal(await insertSlots(agent, 'h1', 10, 6), 2, 'at most max')
  t.equal(await insertSlots(agent, 'h1', 10, 6), 0)
})

void t.test('insertSlots() is refused for the API', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent)
  await t.rejects(insertSlots(api, 'h1', 1, 2816), { code: '42501' })
})

void t.test('takeSlot() takes each slot only once in 50 concurrent transactions', async (t) => {
  const { agent, urls } = await postgres.create(t)
  await addHost(agent, 'h1', 40)
  const many = openDatabase({ url: urls.api, name: 'many', connections: 50 })
  t.teardown(() => many.end())
  // No transaction commits before each has a slot or has found none.
  let arrived = 0
  let open = () => {}
  const allArrived = new Promise<void>((resolve) => (open = resolve))
  const take = () =>
    many.transaction(async (tx) => {
      const n = await takeSlot(tx, 'h1')
      if ((arrived += 1) === 50) open()
      await allArrived
      return n
    })
  const taken = (await Promise.all(Array.from({ length: 50 }, take))).filter((n) => n !== undefined)
  t.strictSame(
    taken.toSorted((a, b) => a - b),
    Array.from({ length: 40 }, (_, n) => n),
    'each slot once, and none for ten transactions',
  )
  t.match(await countSlots(agent, 'h1'), { free: 0, taken: 40 })
})

void t.test('takeSlot() leaves the slot free if the transaction rolls back', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent, 'h1', 1)
  const failing = api.transaction(async (tx) => {
    t.equal(await takeSlot(tx, 'h1'), 0)
    throw new Error('rolled back')
  })
  await t.rejects(failing, { message: 'rolled back' })
  t.equal(await takeSlot(api, 'h1'), 0)
  t.equal(await takeSlot(api, 'h1'), undefined, 'none left')
})

void t.test('takeSlot() takes slots that were never used first, then the one that has been free longest', async (t) => {
  const { agent, api, owner } = await postgres.create(t)
  await addHost(agent, 'h1', 5)
  for (const [n, minutes] of [
    [0, 1],
    [1, 30],
    [3, 20],
  ] as const)
    await owner.query(`update slots set used_at = now() - $2 * interval '1 minute' where n = $1`, [n, minutes])
  const order: (number | undefined)[] = []
  for (let index = 0; index < 6; index += 1) order.push(await takeSlot(api, 'h1'))
  t.strictSame(order, [2, 4, 1, 3, 0, undefined])
})

void t.test('takeSlot() skips slots that are not free, and slots of other hosts', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent, 'h1', 4)
  await addHost(agent, 'h2', 1)
  await insertSlots(agent, 'h1', 1, 2816)
  await recordSlots(agent, 'h1', [update(0, 'free', 'blocked'), update(1, 'free', 'dirty'), update(2, 'free', 'taken')])
  t.equal(await takeSlot(api, 'h1'), 3)
  t.equal(await takeSlot(api, 'h1'), undefined)
  t.match(await countSlots(api, 'h2'), { free: 1 })
})

void t.test('releaseSlot() makes only a taken slot dirty', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent, 'h1', 2)
  t.equal(await takeSlot(api, 'h1'), 0)
  await releaseSlot(api, 'h1', 0)
  await releaseSlot(api, 'h1', 1)
  t.matchOnlyStrict(await listSlots(api, 'h1'), [
    { n: 0, state: 'dirty', evicted: false, reason: null, message: null, usedAt: Date },
    { n: 1, state: 'free', evicted: true, reason: null, message: null, usedAt: null },
  ])
})

void t.test('countSlots() counts by state and returns 0 for states without a slot', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent, 'h1', 4)
  await insertSlots(agent, 'h1', 2, 2816)
  await recordSlots(agent, 'h1', [update(0, 'free', 'blocked')])
  await takeSlot(api, 'h1')
  t.strictSame(await countSlots(api, 'h1'), { building: 2, free: 2, taken: 1, dirty: 0, blocked: 1 })
  t.strictSame(await countSlots(api, 'h2'), { building: 0, free: 0, taken: 0, dirty: 0, blocked: 0 })
})

void t.test('slotsToVisit() returns slots to build and to evict, or all slots', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent, 'h1', 3)
  await insertSlots(agent, 'h1', 1, 2816)
  await takeSlot(api, 'h1')
  await takeSlot(api, 'h1')
  await releaseSlot(api, 'h1', 0)
  const numbers = async (all: boolean) => (await slotsToVisit(agent, 'h1', all)).map(({ n }) => n)
  t.strictSame(await numbers(false), [0, 3])
  t.strictSame(await numbers(true), [0, 1, 2, 3])
  await recordSlots(agent, 'h1', [update(0, 'dirty', 'dirty')])
  t.strictSame(await numbers(false), [3], 'an evicted one waits for its scrub')
})

void t.test('slotsToScrub() returns evicted slots, and those that failed again after half a minute', async (t) => {
  const { agent, owner } = await postgres.create(t)
  await addHost(agent, 'h1', 4)
  const refused = { ...update(0, 'free', 'dirty'), reason: 'files_left', message: '2 files' }
  await recordSlots(agent, 'h1', [
    refused,
    { ...refused, n: 1 },
    update(2, 'free', 'dirty'),
    { ...update(3, 'free', 'dirty'), evicted: false },
  ])
  await owner.query(`update slots set changed_at = now() - interval '31 seconds' where n = 1`)
  t.strictSame(
    (await slotsToScrub(agent, 'h1')).map(({ n, reason, message }) => [n, reason, message]),
    [
      [1, 'files_left', '2 files'],
      [2, null, null],
    ],
  )
})

void t.test('slotsToScrub() returns at most twenty slots, those that wait longest first', async (t) => {
  const { agent, owner } = await postgres.create(t)
  await addHost(agent, 'h1', 25)
  await owner.query(`update slots set state = 'dirty', changed_at = now() - n * interval '1 second'`)
  t.strictSame(
    (await slotsToScrub(agent, 'h1')).map(({ n }) => n),
    Array.from({ length: 20 }, (_, index) => 24 - index),
  )
})

void t.test('recordSlots() changes only a slot that is still in the state `from`', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent, 'h1', 2)
  await takeSlot(api, 'h1')
  const blocked = { reason: 'uid_taken', message: 'uid 10000 is anna' }
  await recordSlots(agent, 'h1', [
    { ...update(0, 'free', 'blocked'), ...blocked },
    { ...update(1, 'free', 'blocked'), ...blocked },
  ])
  t.strictSame(
    (await listSlots(agent, 'h1')).map(({ n, state, reason, message }) => ({ n, state, reason, message })),
    [
      { n: 0, state: 'taken', reason: null, message: null },
      { n: 1, state: 'blocked', ...blocked },
    ],
  )
  await recordSlots(agent, 'h1', [])
})

void t.test('recordSlots() writes nothing if the slot is equal', async (t) => {
  const { agent, owner } = await postgres.create(t)
  await addHost(agent, 'h1', 1)
  const row = () => one(owner, 'select xmin::text, changed_at from slots where n = 0')
  const before = await row()
  await recordSlots(agent, 'h1', [update(0, 'free', 'free')])
  t.strictSame(await row(), before)
})

void t.test('assignWaiting() assigns free slots to accounts that wait, oldest first', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent, 'h1', 3)
  await addPlan(api)
  for (const name of ['first', 'second', 'gone', 'third', 'fourth']) await addAccount(api, name, { slot: null })
  const gone = await findAccount(api, { reseller: 'root', name: 'gone' })
  await markAccountDeleted(api, gone?.id ?? 0)
  t.equal(await countWaiting(agent, 'h1'), 4)
  t.equal(await agent.transaction(async (tx) => assignWaiting(tx, 'h1', await listWaiting(tx, 'h1'))), 3)
  t.equal(await countWaiting(agent, 'h1'), 1)
  const slots = await Promise.all(
    ['first', 'second', 'third', 'fourth'].map(
      async (name) => (await findAccount(api, { reseller: 'root', name }))?.slot,
    ),
  )
  t.strictSame(slots, [0, 1, 2, null])
  t.equal(await agent.transaction(async (tx) => assignWaiting(tx, 'h1', await listWaiting(tx, 'h1'))), 0)
})

void t.test('listOccupants() returns accounts that have a slot, without deleted ones', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent)
  await addPlan(api)
  const [stays, leaves] = [await addAccount(api, 'stays'), await addAccount(api, 'leaves')]
  await addAccount(api, 'waits', { slot: null })
  await markAccountDeleted(api, leaves)
  t.strictSame(await listOccupants(agent, 'h1'), [{ slot: 0, account: stays }])
})

void t.test('readDemand() counts waiting accounts, released slots and deleted accounts', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent)
  await addPlan(api)
  t.strictSame(await readDemand(agent, 'h1'), { waiting: 0, released: 0, deleted: 0 })
  await addAccount(api, 'waits', { slot: null })
  await markAccountDeleted(api, await addAccount(api, 'leaves'))
  await releaseSlot(api, 'h1', 0)
  t.strictSame(await readDemand(agent, 'h1'), { waiting: 1, released: 1, deleted: 1 })
})

void t.test('slotsToScrub() omits a slot until the routes of its deleted account are removed', async (t) => {
  const { agent, api, owner } = await postgres.create(t)
  await addHost(agent, 'h1', 1)
  await addPlan(api)
  const id = await addAccount(api, 'blog', { slot: 0 })
  await owner.query(
    `insert into domains (name, account, port, deleted_at) values ('blog.example.com', $1, 10240, now())`,
    [id],
  )
  await api.transaction((tx) => markAccountDeleted(tx, id))
  await owner.query(`update slots set state = 'dirty', evicted = true, reason = null`)
  t.strictSame(await slotsToScrub(agent, 'h1'), [], 'its domain may still lead to the slot')
  await owner.query('delete from domains')
  t.strictSame(
    (await slotsToScrub(agent, 'h1')).map(({ n }) => n),
    [0],
  )
})

void t.test('takeSlot() skips a free slot that the row of an account names', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent, 'h1', 3)
  await addPlan(api)
  await addAccount(api, 'thief', { slot: 0 })
  t.equal(await takeSlot(api, 'h1'), 1)
  await addAccount(api, 'blog')
  const waits = await addAccount(api, 'waits', { slot: null })
  t.equal(await agent.transaction((tx) => assignWaiting(tx, 'h1', [waits])), 0, 'only slot 0 is left')
})

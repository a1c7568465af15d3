import t from 'tap'
import { scrub } from '../src/release.ts'
import { reconcile } from '../src/reconcile.ts'
import { startPostgres } from '@puppy/state/testing'
import { addAccount, addHostWith, contextOf, slotStates } from './support/agents.ts'
import { facility, released } from './support/facilities.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)
const { signal } = new AbortController()
const complete = { complete: true, signal }
const scoped = { complete: false, signal }

void t.test('reconcile() keeps a deleted account until its slot is evicted', async (t) => {
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

void t.test('reconcile() releases a taken slot that no account has', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken', 'taken', 'taken'])
  await addAccount(database.owner, 'blog', 0)
  const id = await addAccount(database.owner, 'gone', 1)
  // The API's role may write this without releasing the slot, and may take a slot for no account.
  await database.api.query('update accounts set deleted_at = now() where id = $1', [id])
  const seen: string[] = []
  const context = contextOf(database, [facility('one', { seen })])
  const planned = await reconcile(context, { ...complete, planOnly: true })
  t.same(await slotStates(database.owner), ['0 taken', '1 taken', '2 taken'], 'a plan records nothing')
  await reconcile(context, scoped, planned)
  t.same(await slotStates(database.owner), ['0 taken', '1 taken', '2 taken'])
  await reconcile(context, complete)
  t.same(await slotStates(database.owner), ['0 taken', '1 dirty', '2 dirty'])
  t.ok(seen.includes('one plans evict 1,2'), 'it is evicted in the same pass')
  t.ok(context.lines.includes('slots without an account released'))
})

void t.test('scrub() sets clean slots to building, and keeps the others dirty', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['dirty', 'dirty', 'free'])
  const seen: string[] = []
  const context = contextOf(database, [facility('one', { keeps: [1], seen }), facility('two', { seen })])
  const hostStatus = await reconcile(context, { ...complete, planOnly: true })
  seen.length = 0
  t.equal(await scrub(context, hostStatus, signal), 2)
  t.same(
    seen.filter((line) => line.includes('plans')),
    ['one plans scrub 0,1', 'two plans scrub 0'],
    'a slot that one facility could not clean skips the next',
  )
  t.same(await slotStates(database.owner), ['0 building', '1 dirty: scrub_failed', '2 free'])
  t.matchOnlyStrict(await database.owner.query('select message from slots where n = 1'), [{ message: /^one: stuck/ }])
  t.equal(await scrub(context, hostStatus, signal), 0, 'a slot that failed is not tried again at once')
  await database.owner.query(`update slots set changed_at = now() - interval '1 minute' where n = 1`)
  t.equal(await scrub({ ...context, facilities: [facility('one')] }, hostStatus, signal), 1, 'it is tried again later')
  t.equal((await slotStates(database.owner))[1], '1 building')
})

void t.test('scrub() keeps a slot dirty when a facility throws or the one that clears does not work', async (t) => {
  for (const [fails, clears, expected] of [
    ['scrub', false, '0 dirty: scrub_failed'],
    ['scrub applied', false, '0 dirty: scrub_failed'],
    ['probe', true, '0 dirty'],
    ['probe', false, '0 building'],
  ] as const) {
    const database = await postgres.create(t)
    await addHostWith(database, ['dirty'])
    const context = contextOf(database, [facility('one', { fails, clears }), facility('two')])
    const hostStatus = await reconcile(context, complete)
    await scrub(context, hostStatus, signal)
    t.same(await slotStates(database.owner), [expected], `${fails} ${clears}`)
  }
})

void t.test('scrub() skips slots that were not evicted', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['dirty'])
  const context = contextOf(database, [facility('one')])
  const hostStatus = await reconcile(context, complete)
  await database.owner.query(released, [0])
  t.equal(await scrub(context, hostStatus, signal), 0)
  t.same(await slotStates(database.owner), ['0 dirty'])
})

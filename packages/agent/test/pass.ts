import t from 'tap'
import type { Facility } from '../src/facilities/facility.ts'
import { reconcile } from '../src/reconcile.ts'
import { startPostgres } from '@puppy/state/testing'
import { addAccount, addDomain, addHostWith, contextOf } from './support/agents.ts'
import { conditionsOf, facility } from './support/facilities.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)
const { signal } = new AbortController()
const complete = { complete: true, signal }

void t.test('reconcile() applies the other facilities when one facility throws', async (t) => {
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
    t.same(
      (await conditionsOf(database, 'accounts'))['blog']?.[1],
      'two true applied',
      `${fails}: the next pass applies it`,
    )
  }
})

void t.test('reconcile() rejects when it is aborted, and records no verdict', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken'])
  await addAccount(database.owner, 'blog', 0)
  const ending = new AbortController()
  const stops: Facility = {
    ...facility('one'),
    serve: () => {
      ending.abort(new Error('aborted'))
      return Promise.reject(new Error('cut off'))
    },
  }
  const pass = reconcile(contextOf(database, [stops]), { complete: true, signal: ending.signal })
  await t.rejects(pass, { message: 'aborted' })
  t.same(await conditionsOf(database, 'accounts'), {})
})

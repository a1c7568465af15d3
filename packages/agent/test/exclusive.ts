import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { exclusive } from '../src/exclusive.ts'

void t.test('exclusive() runs one piece of work at a time, in order', async (t) => {
  const alone = exclusive()
  const seen: string[] = []
  const work = (name: string) => () =>
    turn(seen.push(`${name} begins`)).then(() => {
      seen.push(`${name} ends`)
      return name
    })
  const given = await Promise.all([alone(work('one')), alone(work('two')), alone(work('three'))])
  t.same(given, ['one', 'two', 'three'])
  t.same(seen, ['one begins', 'one ends', 'two begins', 'two ends', 'three begins', 'three ends'])
})

void t.test('exclusive() rejects for the caller whose work failed, and continues', async (t) => {
  const alone = exclusive()
  const failing = alone(() => Promise.reject(new Error('it failed')))
  const throwing = alone(() => {
    throw new Error('at once')
  })
  const next = alone(async () => 'fine')
  await t.rejects(failing, { message: 'it failed' })
  await t.rejects(throwing, { message: 'at once' })
  t.equal(await next, 'fine')
})

void t.test('exclusive() creates independent queues', async (t) => {
  const waiting = Promise.withResolvers<string>()
  const first = exclusive()(() => waiting.promise)
  t.equal(await exclusive()(async () => 'at once'), 'at once')
  waiting.resolve('late')
  t.equal(await first, 'late')
})

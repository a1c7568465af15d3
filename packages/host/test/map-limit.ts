import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { mapLimit } from '../src/map-limit.ts'

void t.test('mapLimit() keeps the order, and runs at most `limit` calls at a time', async (t) => {
  let running = 0
  let most = 0
  const results = await mapLimit([5, 4, 3, 2, 1, 0], 2, async (item, index) => {
    running += 1
    most = Math.max(most, running)
    await sleep(item)
    running -= 1
    return [item, index]
  })
  t.strictSame(results, [[5, 0], [4, 1], [3, 2], [2, 3], [1, 4], [0, 5]]) // prettier-ignore
  t.equal(most, 2)
  t.strictSame(await mapLimit([], 1, async () => t.fail('no item')), [])
})

void t.test('mapLimit() throws the first failure after all started calls have ended, and starts no more', async (t) => {
  const begun: number[] = []
  const ended: number[] = []
  const work = mapLimit([0, 1, 2, 3, 4], 2, async (item) => {
    begun.push(item)
    await sleep(item === 0 ? 1 : 30)
    ended.push(item)
    if (item < 2) throw new Error(`item ${item}`)
  })
  await t.rejects(work, { message: 'item 0' })
  t.strictSame([begun, ended], [[0, 1], [0, 1]]) // prettier-ignore
})

void t.test('mapLimit() refuses an invalid limit', async (t) => {
  for (const limit of [0, -1, 1.5, Number.NaN])
    await t.rejects(
      mapLimit([1], limit, async () => 1),
      RangeError,
    )
})

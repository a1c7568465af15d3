import t from 'tap'
import { forEach } from '../../src/systemd/each.ts'

void t.test('forEach() keeps the order and the bound, and throws the first failure', async (t) => {
  let [running, most] = [0, 0]
  const results = await forEach([3, 1, 2, 0], 2, async (item) => {
    most = Math.max(most, (running += 1))
    await new Promise((next) => setTimeout(next, item))
    running -= 1
    return item * 2
  })
  t.strictSame(results, [6, 2, 4, 0])
  t.equal(most, 2)
  t.strictSame(await forEach([], 4, async () => 1), [])
  const seen: number[] = []
  const failing = forEach([1, 2, 3], 1, async (item) => {
    seen.push(item)
    if (item === 2) throw new Error('two')
  })
  await t.rejects(failing, { message: 'two' })
  t.strictSame(seen, [1, 2])
})

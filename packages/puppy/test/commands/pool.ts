import t from 'tap'
import { cannotRun, createPuppy, eventually } from '../support/puppy.ts'

t.setTimeout(120_000)

void t.test('pool() prints and sets the number of slots', { skip: cannotRun }, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 10_400, env: { PUPPY_POOL: '2' } })
  await puppy.up()
  t.match(await puppy.command('pool'), { code: 0, output: /"free": 2,\n {2}"max": \d+/ })
  t.match(await puppy.command('pool', '--free', '5', '--max', '6'), { code: 0, output: /"free": 5,\n {2}"max": 6/ })
  await eventually('five free slots', async () => {
    const { body } = await puppy.api('GET', '/v1/hosts/h1/pool')
    return ((body['slots'] as Record<string, number>)['free'] ?? 0) >= 5 ? true : undefined
  })
  t.match(await puppy.command('pool', '--free', 'many'), { code: 78, output: /^--free many is invalid/ })
  t.match(await puppy.command('pool', '--max', '99999'), { code: 78, output: /has ports for \d+ slots/ })
})

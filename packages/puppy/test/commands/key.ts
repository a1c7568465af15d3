import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cannotRun, createPuppy } from '../support/puppy.ts'

t.setTimeout(120_000)

void t.test(
  'key() creates a key that works, and refuses a reseller that does not exist',
  { skip: cannotRun },
  async (t) => {
    const puppy = await createPuppy(t, { firstPort: 10_600 })
    await puppy.up()
    const made = await puppy.command('key')
    t.match(made, { code: 0, output: /^puppy_[a-z0-9]+_[a-z0-9]+\n$/ })
    const authorization = `Bearer ${made.output.trim()}`
    const { status, body } = await puppy.api('GET', '/v1/hosts', undefined, { authorization })
    const hosts = (body['data'] ?? []) as readonly { readonly name: string }[]
    t.equal(status, 200)
    t.strictSame(
      hosts.map(({ name }) => name),
      ['h1'],
    )
    t.match(await puppy.command('key', '--reseller', 'nobody'), {
      code: 78,
      output: /^Cannot create a key: reseller nobody does not exist/,
    })
  },
)

void t.test('a replaced first admin key no longer works', { skip: cannotRun }, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 10_700 })
  const first = await puppy.up()
  const file = join(puppy.stateDir, 'admin-key')
  const old = { authorization: `Bearer ${readFileSync(file, 'utf8').trim()}` }
  t.match(await puppy.api('GET', '/v1/plans', undefined, old), { status: 200 })
  await first.end()
  rmSync(file)
  await puppy.up()
  t.match(await puppy.api('GET', '/v1/plans'), { status: 200 })
  t.match(await puppy.api('GET', '/v1/plans', undefined, old), { status: 401 })
})

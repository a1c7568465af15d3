import t from 'tap'
import { resellerExists } from '../../src/store/resellers.ts'
import { addReseller } from '../support/rows.ts'
import { startPostgres } from '../support/database.ts'

const postgres = await startPostgres(t)

void t.test('resellerExists() returns true for the built-in reseller and for added ones', async (t) => {
  const { api, owner } = await postgres.create(t)
  await addReseller(owner, 'acme')
  t.strictSame(await Promise.all(['root', 'acme', 'nobody', ''].map((name) => resellerExists(api, name))), [
    true,
    true,
    false,
    false,
  ])
})

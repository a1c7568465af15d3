import t from 'tap'
import { lockReseller, resellerExists } from '../../src/store/resellers.ts'
import { addReseller, untilBlocked } from '../support/rows.ts'
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

void t.test('lockReseller() locks one reseller until the end of the transaction', async (t) => {
  const { api, owner } = await postgres.create(t)
  const order: string[] = []
  const { second } = await owner.transaction(async (tx) => {
    await lockReseller(tx, 'acme')
    const second = api.transaction((other) => lockReseller(other, 'acme')).then(() => order.push('second'))
    await untilBlocked(owner)
    await api.transaction((other) => lockReseller(other, 'bolt'))
    order.push('another reseller', 'first')
    return { second }
  })
  await second
  t.strictSame(order, ['another reseller', 'first', 'second'])
})

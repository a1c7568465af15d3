import t from 'tap'
import { FirewallError } from '../src/errors.ts'

void t.test('FirewallError renders the operation, the target, the value and the reason', async (t) => {
  const error = new FirewallError('FIREWALL_REFUSED', {
    operation: 'load the table',
    target: 'puppy',
    value: 'x'.repeat(300),
    detail: 'nothing was changed',
    said: 'Error: no',
    cause: new Error('deeper'),
  })
  t.equal(error.name, 'FirewallError')
  t.match(
    error.message,
    /^Cannot load the table "puppy", value "x{200}…": nothing was changed; nft reported: Error: no$/,
  )
  t.match(error.cause, { message: 'deeper' })
  t.notOk(Object.hasOwn(error, 'name'))
  t.equal(new FirewallError('FIREWALL_INVALID', { operation: 'do it' }).message, 'Cannot do it')
})

import t from 'tap'
import { AccountError } from '../src/errors.ts'

void t.test('AccountError has a message made from its facts', (t) => {
  const cause = new Error('why')
  const error = new AccountError('ACCOUNT_KEY_INVALID', {
    operation: 'read',
    target: 'a "b"',
    detail: 'it is bad',
    cause,
  })
  t.equal(error.message, 'Cannot read "a \\"b\\"": it is bad')
  t.equal(error.code, 'ACCOUNT_KEY_INVALID')
  t.equal(error.cause, cause)
  t.equal(error.name, 'AccountError')
  t.notOk(Object.hasOwn(error, 'name'), 'the name is inherited')
  t.equal(new AccountError('ACCOUNT_KEY_INVALID', { operation: 'read', detail: 'bad' }).message, 'Cannot read: bad')
  t.end()
})

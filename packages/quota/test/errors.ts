import t from 'tap'
import { QuotaError } from '../src/errors.ts'

void t.test('QuotaError names the operation, target, value, reason and steps', async (t) => {
  const error = new QuotaError('QUOTA_OFF', {
    operation: 'read the quotas of',
    target: '/home',
    value: 'x'.repeat(300),
    detail: 'user quota is off',
    said: 'no',
    steps: ['umount it', 'mount it'],
    cause: new Error('deeper'),
  })
  t.equal(error.name, 'QuotaError')
  t.match(
    error.message,
    /^Cannot read the quotas of "\/home", value "x{200}…": user quota is off; the tool reported: no; to enable it: umount it, then mount it$/,
  )
  t.match(error.cause, { message: 'deeper' })
  t.notOk(Object.hasOwn(error, 'name'))
  t.equal(new QuotaError('QUOTA_INVALID', { operation: 'do it' }).message, 'Cannot do it')
})

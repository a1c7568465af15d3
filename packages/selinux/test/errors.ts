import t from 'tap'
import { SelinuxError } from '../src/errors.ts'

void t.test(
  'SelinuxError renders the operation, the target, the value, the reason and the output of the tool',
  async (t) => {
    const error = new SelinuxError('SELINUX_LOCKED', {
      operation: 'lock the store',
      target: '/var/lib/selinux/default',
      value: 'x'.repeat(300),
      detail: 'process 12 (semodule) holds it',
      said: 'no',
      cause: new Error('deeper'),
    })
    t.equal(error.name, 'SelinuxError')
    t.match(
      error.message,
      /^Cannot lock the store "\/var\/lib\/selinux\/default", value "x{200}…": process 12 \(semodule\) holds it; the tool reported: no$/,
    )
    t.match(error.cause, { message: 'deeper' })
    t.notOk(Object.hasOwn(error, 'name'))
    t.equal(new SelinuxError('SELINUX_INVALID', { operation: 'do it' }).message, 'Cannot do it')
  },
)

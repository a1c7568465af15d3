import t from 'tap'
import { CgroupError } from '../src/errors.ts'

void t.test('CgroupError names the operation, target, value and reason', async (t) => {
  const error = new CgroupError('CGROUP_REFUSED', {
    operation: 'write memory.max of',
    target: '/a/b',
    value: 'x'.repeat(300),
    errno: 'EINVAL',
    detail: 'it is no number',
    said: 'No',
    cause: new Error('deeper'),
  })
  t.equal(error.name, 'CgroupError')
  t.match(
    error.message,
    /^Cannot write memory\.max of "\/a\/b", value "x{200}…": the kernel answered EINVAL; it is no number; systemd reported: No$/,
  )
  t.match(error.cause, { message: 'deeper' })
  t.notOk(Object.hasOwn(error, 'name'))
  t.equal(new CgroupError('CGROUP_INVALID', { operation: 'do it' }).message, 'Cannot do it')
})

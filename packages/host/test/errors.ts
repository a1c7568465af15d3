import t from 'tap'
import { errno, HostError } from '../src/errors.ts'

void t.test('HostError says what, on what and why', async (t) => {
  const error = new HostError('HOST_WRITE_FAILED', { operation: 'replace', path: '/etc/x', detail: 'ENOSPC' })
  t.equal(error.message, 'Cannot replace "/etc/x": ENOSPC')
  t.equal(error.name, 'HostError')
  t.notOk(Object.hasOwn(error, 'name'), 'the name is inherited')
})

void t.test('HostError of a program gives exit code, words and command', async (t) => {
  const facts = { operation: 'run x', command: '/bin/x -y', exitCode: 3, stderr: 'no' }
  t.equal(
    new HostError('HOST_PROGRAM_FAILED', facts).message,
    'Cannot run x: exit code 3; it said: no; command: /bin/x -y',
  )
})

void t.test('errno() knows errors from the rest', async (t) => {
  t.equal(errno(Object.assign(new Error('x'), { code: 'ENOENT' })), 'ENOENT')
  t.equal(errno(new Error('x')), undefined)
  t.equal(errno('ENOENT'), undefined)
})

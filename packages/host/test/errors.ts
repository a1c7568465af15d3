import t from 'tap'
import { errno, HostError, isPrintable, renderFacts } from '../src/errors.ts'

void t.test('HostError has a message with operation, path and reason', async (t) => {
  const error = new HostError('HOST_WRITE_FAILED', { operation: 'replace', path: '/etc/x', detail: 'ENOSPC' })
  t.equal(error.message, 'Cannot replace "/etc/x": ENOSPC')
  t.equal(error.name, 'HostError')
  t.notOk(Object.hasOwn(error, 'name'), 'the name is inherited')
})

void t.test('HostError of a program has exit code, output and command in its message', async (t) => {
  const facts = { operation: 'run x', command: '/bin/x -y', exitCode: 3, stderr: 'no' }
  t.equal(
    new HostError('HOST_PROGRAM_FAILED', facts).message,
    'Cannot run x: exit code 3; the program reported: no; command: /bin/x -y',
  )
})

void t.test('errno() returns the code of an error, and undefined for other values', async (t) => {
  t.equal(errno(Object.assign(new Error('x'), { code: 'ENOENT' })), 'ENOENT')
  t.equal(errno(new Error('x')), undefined)
  t.equal(errno('ENOENT'), undefined)
})

void t.test('the message of an error has no raw control character of its facts', async (t) => {
  const hostile = 'a\u001b[2J\u009b\u202e\u2028b'
  const facts = {
    operation: `read ${hostile}`,
    path: `/tmp/${hostile}\n`,
    target: `${hostile}\n`,
    value: `${hostile}\n`,
    detail: `${hostile}\n`,
    command: `rm ${hostile}\n`,
    steps: [hostile],
  }
  const messages = [new HostError('HOST_READ_FAILED', facts).message, renderFacts(facts, 'the tool')]
  for (const message of messages) t.ok(isPrintable(message), JSON.stringify(message))
  const said = renderFacts({ operation: 'read', said: `${hostile}\nsecond` }, 'the tool')
  t.ok(isPrintable(said.replace('\n', '')) && said.includes('\n'), 'the lines of a program stay')
})

import t from 'tap'
import { assertNotAborted, HaproxyError, isHaproxyError, joinMessages } from '../src/errors.ts'

void t.test('HaproxyError renders its message from its facts', async (t) => {
  const error = new HaproxyError('HAPROXY_START_FAILED', {
    operation: 'start',
    target: '/x',
    said: joinMessages(['no', 'way']),
  })
  t.equal(error.message, 'Cannot start "/x": HAProxy reported: no | way')
  t.equal(error.name, 'HaproxyError')
  t.notOk(Object.keys(error).includes('name'))
})

void t.test('HaproxyError quotes and shortens a value, so that the value cannot add lines', async (t) => {
  const { message } = new HaproxyError('HAPROXY_NOT_ENCODABLE', {
    operation: 'encode',
    value: `a\nb${'x'.repeat(500)}`,
  })
  t.ok(message.startsWith('Cannot encode, value "a\\nbxxx'))
  t.ok(message.length < 300)
})

void t.test('HaproxyError keeps its cause', async (t) => {
  const cause = new Error('deep')
  t.equal(new HaproxyError('HAPROXY_TIMEOUT', { operation: 'ask', cause }).cause, cause)
})

void t.test('isHaproxyError() compares class and code', async (t) => {
  const error = new HaproxyError('HAPROXY_TIMEOUT', { operation: 'ask' })
  t.ok(isHaproxyError(error, 'HAPROXY_TIMEOUT'))
  t.notOk(isHaproxyError(error, 'HAPROXY_ABORTED'))
  t.notOk(isHaproxyError(Object.assign(new Error('x'), { code: 'HAPROXY_TIMEOUT' }), 'HAPROXY_TIMEOUT'))
})

void t.test('assertNotAborted() throws HAPROXY_ABORTED only for an aborted signal', async (t) => {
  t.doesNotThrow(() => assertNotAborted(undefined, 'wait'))
  t.doesNotThrow(() => assertNotAborted(new AbortController().signal, 'wait'))
  t.throws(() => assertNotAborted(AbortSignal.abort(), 'wait'), { code: 'HAPROXY_ABORTED', message: /^Cannot wait/ })
})

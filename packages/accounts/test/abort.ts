import { HostError } from '@puppy/host'
import t from 'tap'
import { assertNotAborted, isAbort } from '../src/abort.ts'

void t.test('assertNotAborted() throws when the signal is aborted', (t) => {
  const controller = new AbortController()
  assertNotAborted({}, 'apply')
  assertNotAborted({ signal: controller.signal }, 'apply')
  controller.abort()
  t.throws(() => assertNotAborted({ signal: controller.signal }, 'apply logins'), {
    code: 'HOST_ABORTED',
    message: 'Cannot apply logins: the caller aborted it',
  })
  t.end()
})

void t.test('isAbort() is true only for an abort', (t) => {
  t.equal(isAbort(new HostError('HOST_ABORTED', { operation: 'x' })), true)
  t.equal(isAbort(new HostError('HOST_TIMEOUT', { operation: 'x' })), false)
  t.equal(isAbort(new Error('HOST_ABORTED')), false)
  t.end()
})

import { inspect } from 'node:util'
import t from 'tap'
import { ApiError } from '../src/errors.ts'

void t.test('ApiError has a code, a message and faults', (t) => {
  const faults = [{ pointer: '/plan', detail: 'must be the name of an existing plan' }]
  const error = new ApiError('plan_unknown', 'Plan small does not exist.', faults)
  t.ok(error instanceof Error)
  t.strictSame([error.code, error.message, error.faults], ['plan_unknown', 'Plan small does not exist.', faults])
  t.strictSame(new ApiError('internal', 'It broke').faults, [], 'without faults the list is empty')
  t.end()
})

void t.test('ApiError has its name in a trace, and not as an own field', (t) => {
  const error = new ApiError('internal', 'It broke')
  t.equal(String(error), 'ApiError: It broke')
  t.match(inspect(error), /^ApiError: It broke\n/)
  t.notOk(Object.keys(error).includes('name'))
  t.end()
})

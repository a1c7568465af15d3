import { inspect } from 'node:util'
import t from 'tap'
import { ApiError, cannotStart, StartError } from '../src/errors.ts'

void t.test('ApiError carries code, message and faults', (t) => {
  const faults = [{ pointer: '/plan', detail: 'names no plan' }]
  const error = new ApiError('plan_unknown', 'There is no plan small', faults)
  t.ok(error instanceof Error)
  t.strictSame([error.code, error.message, error.faults], ['plan_unknown', 'There is no plan small', faults])
  t.strictSame(new ApiError('internal', 'It broke').faults, [], 'without faults the list is empty')
  t.end()
})

for (const [name, error] of [
  ['ApiError', new ApiError('internal', 'It broke')],
  ['StartError', new StartError('It broke')],
] as const) {
  void t.test(`${name} is named in a trace, and the name is no field of its own`, (t) => {
    t.equal(String(error), `${name}: It broke`)
    t.match(inspect(error), new RegExp(`^${name}: It broke\\n`))
    t.notOk(Object.keys(error).includes('name'))
    t.end()
  })
}

void t.test('cannotStart is EX_CONFIG of sysexits.h', (t) => {
  t.equal(cannotStart, 78)
  t.end()
})

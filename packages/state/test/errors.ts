import { inspect } from 'node:util'
import t from 'tap'
import { cannotStart, DatabaseError, HostBusy, StartError, tryLater } from '../src/errors.ts'

for (const [name, error] of [
  ['DatabaseError', new DatabaseError('It broke')],
  ['StartError', new StartError('It broke')],
  ['HostBusy', new HostBusy('It broke')],
] as const) {
  void t.test(`${name} has its name in a trace, and not as an own field`, (t) => {
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

void t.test('tryLater is EX_TEMPFAIL of sysexits.h', (t) => {
  t.equal(tryLater, 75)
  t.end()
})

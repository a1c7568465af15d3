import { openPolicy } from '@puppy/selinux'
import { createFakeSelinux } from '@puppy/selinux/fake'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { assertApplied, plannedChanges } from '../../src/selinux/change-set.ts'

const policy = openPolicy(createFakeHost(createFakeSelinux().options))

void t.test('plannedChanges() returns the shown fields, without the text of a module', async (t) => {
  const changeSet = policy.plan({ modules: { a: '(type a_t)' }, dontaudit: 'logged' }, await policy.read())
  const [install, log] = plannedChanges(changeSet)
  t.strictSame(Object.keys(install ?? {}), ['facility', 'target', 'action', 'after'])
  t.strictSame(log, {
    facility: 'selinux',
    target: 'dontaudit',
    action: 'log',
    before: 'silent',
    after: 'logged',
    command: 'semodule -s default -DB',
  })
})

void t.test('assertApplied() throws the error of an item that failed', async (t) => {
  const good = await policy.ensure({ modules: { a: '(type a_t)' } })
  t.doesNotThrow(() => assertApplied(good))
  const bad = await policy.ensure({ modules: { a: '(type a_t)', b: '(type' } })
  t.throws(() => assertApplied(bad), { code: 'SELINUX_REFUSED' })
})

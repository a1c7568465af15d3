import t from 'tap'
import type { PolicyChange } from '../../src/store/change.ts'
import { moduleName } from '../../src/store/modules.ts'
import { planPolicy } from '../../src/store/plan.ts'
import { isForSemodule, semoduleWords } from '../../src/store/semodule.ts'
import { observedStore } from '../support/store.ts'

const old = 'puppy_a-000000000000'
const name = moduleName('puppy_a', 'text')
const inRun = (file: string) => `/run/${file}`
const facility = 'selinux'
const silent: PolicyChange = { facility, target: 'dontaudit', action: 'silence' }
const logged: PolicyChange = { facility, target: 'dontaudit', action: 'log' }
const rebuild: PolicyChange = { facility, target: 'file /a', action: 'rebuild' }
const remove: PolicyChange = { facility, target: 'module puppy_a', action: 'remove', module: 'puppy_a', name: old }

void t.test('semoduleWords() removes modules first, and rebuilds when no module changes', async (t) => {
  const seen = observedStore([old], { disabled: [name], empty: ['/a', '/b'] })
  const { changes } = planPolicy({ modules: { puppy_a: 'text' } }, seen)
  t.strictSame(semoduleWords(changes, inRun), ['-X', '400', '-r', old, '-i', `/run/${name}`, '-e', name])
  t.strictSame(semoduleWords([rebuild], inRun), ['-B'])
})

void t.test('semoduleWords() logs and hides denials', async (t) => {
  t.strictSame(semoduleWords([logged], inRun), ['-D', '-B'])
  t.strictSame(semoduleWords([silent], inRun), ['-B'])
  t.strictSame(semoduleWords([rebuild], inRun, true), ['-D', '-B'], 'logging does not change')
  t.strictSame(semoduleWords([silent], inRun, true), ['-B'])
  t.strictSame(semoduleWords([remove], inRun, true), ['-X', '400', '-r', old])
  t.strictSame(semoduleWords([remove, logged], inRun), ['-D', '-X', '400', '-r', old])
})

void t.test('isForSemodule() is false for changes that semodule cannot make together', async (t) => {
  const set: PolicyChange = {
    facility,
    target: 'boolean one',
    action: 'set',
    boolean: 'one',
    from: 'default',
    value: true,
  }
  for (const changes of [[remove], [remove, logged], [silent], [logged]]) t.ok(isForSemodule(changes))
  for (const changes of [[set], [remove, set], [remove, silent]]) t.notOk(isForSemodule(changes))
})

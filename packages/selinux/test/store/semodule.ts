import t from 'tap'
import { moduleName } from '../../src/store/modules.ts'
import { planPolicy, type PolicyChange } from '../../src/store/plan.ts'
import { isForSemodule, semoduleWords } from '../../src/store/semodule.ts'
import { seenStore } from '../support/store.ts'

const old = 'puppy_a-000000000000'
const name = moduleName('puppy_a', 'text')
const inRun = (file: string) => `/run/${file}`
const silent: PolicyChange = { action: 'dontaudit', value: 'silent' }
const logged: PolicyChange = { action: 'dontaudit', value: 'logged' }

void t.test('semoduleWords() removes first, and rebuilds when there is nothing else', async (t) => {
  const seen = seenStore([old], { disabled: [name], empty: ['/a', '/b'] })
  const { changes } = planPolicy({ modules: { puppy_a: 'text' } }, seen)
  t.strictSame(semoduleWords(changes, inRun), ['-X', '400', '-r', old, '-i', `/run/${name}`, '-e', name])
  t.strictSame(semoduleWords([{ action: 'rebuild', why: '/a' }], inRun), ['-B'])
})

void t.test('semoduleWords() shows and hides denials', async (t) => {
  t.strictSame(semoduleWords([logged], inRun), ['-D', '-B'])
  t.strictSame(semoduleWords([silent], inRun), ['-B'])
  t.strictSame(semoduleWords([{ action: 'rebuild', why: '/a' }], inRun, true), ['-D', '-B'], 'they stay as they are')
  t.strictSame(semoduleWords([silent], inRun, true), ['-B'])
  const remove: PolicyChange = { action: 'remove', module: 'puppy_a', name: old }
  t.strictSame(semoduleWords([remove], inRun, true), ['-X', '400', '-r', old])
  t.strictSame(semoduleWords([remove, logged], inRun), ['-D', '-X', '400', '-r', old])
})

void t.test('isForSemodule() is false for what no tool does at once', async (t) => {
  const remove: PolicyChange = { action: 'remove', module: 'puppy_a', name: old }
  const set: PolicyChange = { action: 'set', boolean: 'one', from: 'default', value: true }
  for (const changes of [[remove], [remove, logged], [silent], [logged]]) t.ok(isForSemodule(changes))
  for (const changes of [[set], [remove, set], [remove, silent]]) t.notOk(isForSemodule(changes))
})

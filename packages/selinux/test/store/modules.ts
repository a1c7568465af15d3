import t from 'tap'
import { moduleName, moduleOf, planModules, semoduleWords } from '../../src/store/modules.ts'
import type { StoreObservation } from '../../src/store/observe.ts'

const seen = (modules: readonly string[], more: Partial<StoreObservation> = {}): StoreObservation => ({
  type: 'default',
  modules,
  disabled: [],
  empty: [],
  interrupted: false,
  ...more,
})
const old = 'puppy_a-000000000000'
const name = moduleName('puppy_a', 'text')

void t.test('moduleName() and moduleOf() agree, and leave others alone', async (t) => {
  t.match(name, /^puppy_a-[0-9a-f]{12}$/)
  t.equal(moduleOf(name), 'puppy_a')
  for (const other of ['puppy_a', 'puppy_a-1', 'my-module', 'x-0000000000000', '']) t.equal(moduleOf(other), undefined)
  for (const bad of ['', 'A', 'a-b', '../a', 'a b', '-i', 'a'.repeat(41)])
    t.throws(() => moduleName(bad, ''), { code: 'SELINUX_INVALID' }, bad)
})

void t.test('planModules() plans nothing when the store has it', async (t) => {
  t.strictSame(planModules({ modules: { puppy_a: 'text' } }, seen([name, 'theirs', 'other-111111111111'])).changes, [])
  t.strictSame(planModules({ remove: ['puppy_a'] }, seen(['theirs', 'puppy_a'])).changes, [])
})

void t.test('planModules() replaces, removes, switches on and makes anew', async (t) => {
  const install = { action: 'install', module: 'puppy_a', name, text: 'text' }
  const plan = (observation: StoreObservation) => planModules({ modules: { puppy_a: 'text' } }, observation).changes
  t.strictSame(plan(seen([])), [install])
  t.strictSame(plan(seen([old])), [{ action: 'remove', module: 'puppy_a', name: old }, install])
  t.match(plan(seen([name, old])), [{ action: 'remove', name: old }])
  t.strictSame(plan(seen([name], { disabled: [name, 'x'] })), [{ action: 'enable', module: 'puppy_a', name }])
  t.match(plan(seen([name], { empty: ['/etc/x'] })), [{ action: 'rebuild', why: '/etc/x' }])
  t.match(planModules({ remove: ['puppy_a'] }, seen([old, name])).changes.length, 2)
  t.throws(() => planModules({ modules: { a: '' }, remove: ['a'] }, seen([])), { code: 'SELINUX_INVALID' })
  t.throws(() => planModules({ remove: ['-X'] }, seen([])), { code: 'SELINUX_INVALID' })
})

void t.test('semoduleWords() removes first, and rebuilds when there is nothing else', async (t) => {
  const changes = planModules(
    { modules: { puppy_a: 'text' } },
    seen([old], { disabled: [name], empty: ['/a', '/b'] }),
  ).changes
  t.strictSame(
    semoduleWords(changes, (file) => `/run/${file}`),
    ['-X', '400', '-r', old, '-i', `/run/${name}`, '-e', name],
  )
  t.strictSame(
    semoduleWords([{ action: 'rebuild', why: '/a' }], (file) => file),
    ['-B'],
  )
})

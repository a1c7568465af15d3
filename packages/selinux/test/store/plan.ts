import t from 'tap'
import { moduleName } from '../../src/store/modules.ts'
import type { StoreObservation } from '../../src/store/observe.ts'
import { planBack, planPolicy, type PolicyChange, type PolicyWish } from '../../src/store/plan.ts'
import { seenStore } from '../support/store.ts'

const old = 'puppy_a-000000000000'
const name = moduleName('puppy_a', 'text')
const changes = (wish: PolicyWish, seen: StoreObservation = seenStore()) => planPolicy(wish, seen).changes

void t.test('planPolicy() plans nothing when the store has it', async (t) => {
  t.strictSame(changes({ modules: { puppy_a: 'text' } }, seenStore([name, 'theirs', 'other-111111111111'])), [])
  t.strictSame(changes({ remove: ['puppy_a'] }, seenStore(['theirs', 'puppy_a'])), [])
})

void t.test('planPolicy() replaces, removes, switches on and makes anew', async (t) => {
  const install = { action: 'install', module: 'puppy_a', name, text: 'text' }
  const plan = (seen: StoreObservation) => changes({ modules: { puppy_a: 'text' } }, seen)
  t.strictSame(plan(seenStore()), [install])
  t.strictSame(plan(seenStore([old])), [{ action: 'remove', module: 'puppy_a', name: old }, install])
  t.strictSame(plan(seenStore([name, old])), [{ action: 'remove', module: 'puppy_a', name: old }])
  t.strictSame(plan(seenStore([name], { disabled: [name, 'x'] })), [{ action: 'enable', module: 'puppy_a', name }])
  t.strictSame(plan(seenStore([name], { empty: ['/etc/x'] })), [{ action: 'rebuild', why: '/etc/x' }])
  t.match(changes({ remove: ['puppy_a'] }, seenStore([old, name])).length, 2)
  t.throws(() => changes({ modules: { a: '' }, remove: ['a'] }), { code: 'SELINUX_INVALID' })
  t.throws(() => changes({ remove: ['-X'] }), { code: 'SELINUX_INVALID' })
})

void t.test('planPolicy() compares booleans with the store, and then with the kernel', async (t) => {
  const wish = { booleans: { one: true } }
  const stored = (loaded: Readonly<Record<string, boolean>>) => seenStore([], { booleans: { one: true }, loaded })
  t.strictSame(changes(wish), [{ action: 'set', boolean: 'one', from: 'default', value: true }])
  t.strictSame(changes(wish, seenStore([], { booleans: { one: false }, loaded: { one: false } })), [
    { action: 'set', boolean: 'one', from: false, value: true },
  ])
  t.strictSame(changes(wish, stored({ one: false })), [{ action: 'load', boolean: 'one', value: true }])
  t.strictSame(changes(wish, stored({ one: true })), [])
  t.strictSame(changes({ booleans: { one: 'default' } }, stored({ one: true })), [
    { action: 'set', boolean: 'one', from: true, value: 'default' },
  ])
  t.strictSame(changes({ booleans: { one: 'default' } }), [])
})

void t.test('planPolicy() refuses booleans that there are not', async (t) => {
  const loaded = seenStore([], { loaded: {} })
  const wish = { booleans: { one: true } }
  t.throws(() => changes(wish, loaded), { code: 'SELINUX_INVALID', message: /"one".*getsebool -a/ })
  t.match(changes({ ...wish, modules: { puppy_a: '(boolean one false)' } }, loaded).length, 2, 'it comes with a module')
  t.match(changes(wish, seenStore()).length, 1, 'a folder’s policy is asked by the transaction')
  t.strictSame(changes({ booleans: { one: 'default' } }, loaded), [], 'one that is gone has no value')
  for (const bad of ['', '../enforce', 'a b', 'a=1', '-P', '1a', 'a'.repeat(256)])
    t.throws(() => changes({ booleans: { [bad]: true } }), { code: 'SELINUX_INVALID' }, bad)
})

void t.test('planPolicy() shows and hides what is not written down, when asked', async (t) => {
  t.strictSame(changes({ dontaudit: 'silent' }), [])
  t.strictSame(changes({ dontaudit: 'logged' }), [{ action: 'dontaudit', value: 'logged' }])
  const logged = seenStore([], { dontaudit: 'logged' })
  t.strictSame(changes({}, logged), [])
  t.strictSame(changes({ dontaudit: 'silent' }, logged), [{ action: 'dontaudit', value: 'silent' }])
})

void t.test('planBack() turns every change around, and mends nothing back', async (t) => {
  const there: readonly PolicyChange[] = [
    { action: 'remove', module: 'puppy_a', name: old },
    { action: 'install', module: 'puppy_a', name, text: 'text' },
    { action: 'enable', module: 'puppy_b', name: 'puppy_b-000000000000' },
    { action: 'set', boolean: 'one', from: 'default', value: true },
    { action: 'load', boolean: 'two', value: false },
    { action: 'dontaudit', value: 'logged' },
    { action: 'rebuild', why: '/x' },
  ]
  const back = planBack(there, seenStore([old]), () => 'old text')
  t.strictSame(back, [
    { action: 'install', module: 'puppy_a', name: old, text: 'old text' },
    { action: 'remove', module: 'puppy_a', name },
    { action: 'disable', module: 'puppy_b', name: 'puppy_b-000000000000' },
    { action: 'set', boolean: 'one', from: true, value: 'default' },
    { action: 'load', boolean: 'two', value: true },
    { action: 'dontaudit', value: 'silent' },
  ])
  t.strictSame(
    planBack(back ?? [], seenStore([name], { dontaudit: 'logged' }), () => 'text'),
    there.slice(0, -1),
  )
  t.equal(
    planBack(there, seenStore([old]), () => undefined),
    undefined,
    'not without the text',
  )
})

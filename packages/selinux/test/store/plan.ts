import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { moduleName } from '../../src/store/modules.ts'
import { planPolicy } from '../../src/store/plan.ts'
import type { ObservedPolicy } from '../../src/store/read-store.ts'
import type { PolicySpec } from '../../src/store/spec.ts'
import { observedStore } from '../support/store.ts'

const facility = 'selinux'
const target = 'module puppy_a'
const old = 'puppy_a-000000000000'
const name = moduleName('puppy_a', 'text')
const changes = (spec: PolicySpec, observed: ObservedPolicy = observedStore()) => planPolicy(spec, observed).changes
const refused = (spec: PolicySpec, observed: ObservedPolicy = observedStore()) =>
  planPolicy(spec, observed).refused.map((item) => [item.target, item.error.code])

const install = { facility, target, action: 'install', after: name, module: 'puppy_a', name, text: 'text' }
const removal = (of: string) => ({
  facility,
  target,
  action: 'remove',
  before: of,
  command: `semodule -s default -X 400 -r ${of}`,
  module: 'puppy_a',
  name: of,
})
const setting = (boolean: string, from: string, after: string, more: object) => ({
  facility,
  target: `boolean ${boolean}`,
  action: 'set',
  before: from,
  after,
  boolean,
  ...more,
})

void t.test('planPolicy() plans nothing when the store matches the spec', async (t) => {
  const observed = observedStore([name, 'theirs', 'other-111111111111'])
  t.strictSame(changes({ modules: { puppy_a: 'text' } }, observed), [])
  t.strictSame(changes({ remove: ['puppy_a'] }, observedStore(['theirs', 'puppy_a'])), [])
})

void t.test('planPolicy() replaces, removes, enables and rebuilds', async (t) => {
  const plan = (observed: ObservedPolicy) => changes({ modules: { puppy_a: 'text' } }, observed)
  t.strictSame(plan(observedStore()), [install])
  t.strictSame(plan(observedStore([old])), [removal(old), install])
  t.strictSame(plan(observedStore([name, old])), [removal(old)])
  t.strictSame(plan(observedStore([name], { disabled: [name, 'x'] })), [
    {
      facility,
      target,
      action: 'enable',
      after: name,
      command: `semodule -s default -X 400 -e ${name}`,
      module: 'puppy_a',
      name,
    },
  ])
  t.strictSame(plan(observedStore([name], { empty: ['/etc/x'] })), [
    { facility, target: 'file /etc/x', action: 'rebuild', command: 'semodule -s default -B' },
  ])
  t.strictSame(changes({ remove: ['puppy_a', 'puppy_a'] }, observedStore([old, name])), [removal(old), removal(name)])
})

void t.test('planPolicy() repairs an interrupted store before other changes', async (t) => {
  const observed = observedStore([old], { interrupted: true, dontaudit: 'logged', empty: ['/etc/x'] })
  t.strictSame(
    changes({ modules: { puppy_a: 'text' } }, observed).map((change) => [change.action, change.command]),
    [
      ['repair', 'mv -T /var/lib/selinux/default/previous /var/lib/selinux/default/active'],
      ['rebuild', 'semodule -s default -DB'],
      ['remove', `semodule -s default -X 400 -r ${old}`],
      ['install', undefined],
    ],
  )
})

void t.test('planPolicy() compares booleans with the store, and then with the kernel', async (t) => {
  const spec = { booleans: { one: true } }
  const stored = (loaded: Readonly<Record<string, boolean>>) => observedStore([], { booleans: { one: true }, loaded })
  const command = 'setsebool -P one=1'
  t.strictSame(changes(spec), [setting('one', 'default', 'on', { command, from: 'default', value: true })])
  t.strictSame(changes(spec, observedStore([], { booleans: { one: false }, loaded: { one: false } })), [
    setting('one', 'off', 'on', { command, from: false, value: true }),
  ])
  t.strictSame(changes(spec, stored({ one: false })), [
    {
      facility,
      target: 'boolean one',
      action: 'load',
      before: 'off',
      after: 'on',
      command: 'setsebool one=1',
      boolean: 'one',
      value: true,
    },
  ])
  t.strictSame(changes(spec, stored({ one: true })), [])
  t.strictSame(changes({ booleans: { one: 'default' } }, stored({ one: true })), [
    setting('one', 'on', 'default', { command: 'semanage boolean --delete one', from: true, value: 'default' }),
  ])
  t.strictSame(changes({ booleans: { one: 'default' } }), [])
})

void t.test('planPolicy() refuses each invalid item and plans the others', async (t) => {
  const spec = {
    modules: { puppy_a: 'text', both: '', 'a-b': '' },
    remove: ['both', '-X'],
    booleans: { one: true, none: true, '../enforce': true },
  }
  const observed = observedStore([], { loaded: { one: false } })
  t.strictSame(changes(spec, observed), [
    install,
    setting('one', 'default', 'on', { command: 'setsebool -P one=1', from: 'default', value: true }),
  ])
  t.strictSame(refused(spec, observed), [
    ['module -X', 'SELINUX_INVALID'],
    ['module both', 'SELINUX_INVALID'],
    ['module a-b', 'SELINUX_INVALID'],
    ['boolean none', 'SELINUX_INVALID'],
    ['boolean ../enforce', 'SELINUX_INVALID'],
  ])
})

void t.test('planPolicy() refuses a boolean that the policy does not have', async (t) => {
  const loaded = observedStore([], { loaded: {} })
  const spec = { booleans: { one: true } }
  t.match(planPolicy(spec, loaded).refused[0]?.error, { code: 'SELINUX_INVALID', message: /"one".*getsebool -a/ })
  const declared = { ...spec, modules: { puppy_a: '(boolean one false)' } }
  t.strictSame([changes(declared, loaded).length, refused(declared, loaded)], [2, []], 'a module declares it')
  t.strictSame(
    [changes(spec).length, refused(spec)],
    [1, []],
    'the transaction checks booleans of a policy that is not loaded',
  )
  const gone: PolicySpec = { booleans: { one: 'default' } }
  t.strictSame([changes(gone, loaded), refused(gone, loaded)], [[], []], 'a boolean that does not exist has no value')
  for (const bad of ['', '../enforce', 'a b', 'a=1', '-P', '1a', 'a'.repeat(256)])
    t.strictSame(refused({ booleans: { [bad]: true } }), [[`boolean ${bad}`, 'SELINUX_INVALID']], bad)
})

void t.test('planPolicy() plans to log hidden denials and to hide them again', async (t) => {
  t.strictSame(changes({ dontaudit: 'silent' }), [])
  t.strictSame(changes({ dontaudit: 'logged' }), [
    {
      facility,
      target: 'dontaudit',
      action: 'log',
      before: 'silent',
      after: 'logged',
      command: 'semodule -s default -DB',
    },
  ])
  const logged = observedStore([], { dontaudit: 'logged' })
  t.strictSame(changes({}, logged), [])
  t.strictSame(changes({ dontaudit: 'silent' }, logged), [
    {
      facility,
      target: 'dontaudit',
      action: 'silence',
      before: 'logged',
      after: 'silent',
      command: 'semodule -s default -B',
    },
  ])
})

void t.test('planPolicy() never both plans and refuses an item, for any name', async () => {
  const names = fc.oneof(fc.string(), fc.constantFrom('a', 'b', 'constructor', '__proto__', 'toString'))
  const specs = fc.record({
    modules: fc.dictionary(names, fc.string()),
    remove: fc.array(names),
    booleans: fc.dictionary(names, fc.constantFrom(true, false, 'default' as const)),
  })
  fc.assert(
    fc.property(specs, (spec) => {
      const observed = observedStore([old, 'a-000000000000'], { loaded: { a: true } })
      const [one, other] = [planPolicy(spec, observed), planPolicy(spec, observed)]
      const targets = new Set(one.changes.map((change) => change.target))
      return (
        isDeepStrictEqual(
          one.changes.map((change) => change.target),
          other.changes.map((change) => change.target),
        ) && one.refused.every((item) => !targets.has(item.target))
      )
    }),
  )
})

import t from 'tap'
import type { PolicyChange } from '../../src/store/change.ts'
import { moduleName } from '../../src/store/modules.ts'
import { planPolicy } from '../../src/store/plan.ts'
import { planRevert } from '../../src/store/revert.ts'
import { observedStore } from '../support/store.ts'

const old = moduleName('puppy_a', 'old text')
const spec = {
  modules: { puppy_a: 'text', puppy_b: 'b' },
  booleans: { one: true, two: false },
  dontaudit: 'logged',
} as const
const b = moduleName('puppy_b', 'b')
const observed = observedStore([old, b], {
  disabled: [b],
  booleans: { two: false },
  loaded: { one: false, two: true },
  empty: ['/x'],
  interrupted: true,
})
const { changes } = planPolicy(spec, observed)
const summaryOf = (all: readonly PolicyChange[] | undefined) =>
  all?.map((change) => [
    change.action,
    change.target,
    'name' in change ? change.name : 'value' in change && change.value,
  ])

void t.test('planRevert() reverts every change except repairs and rebuilds', async (t) => {
  t.strictSame(
    changes.map(({ action }) => action),
    ['repair', 'rebuild', 'remove', 'install', 'enable', 'set', 'load', 'log'],
  )
  const back = planRevert(changes, observed, () => 'old text')
  t.strictSame(summaryOf(back), [
    ['install', 'module puppy_a', old],
    ['remove', 'module puppy_a', moduleName('puppy_a', 'text')],
    ['disable', 'module puppy_b', b],
    ['set', 'boolean one', 'default'],
    ['load', 'boolean two', true],
    ['silence', 'dontaudit', false],
  ])
  t.match(
    back?.find(({ action }) => action === 'install'),
    { text: 'old text' },
  )
  const after = observedStore([moduleName('puppy_a', 'text'), b], { dontaudit: 'logged' })
  const again = planRevert(back ?? [], after, () => 'text')
  t.strictSame(summaryOf(again), summaryOf(changes.slice(2)), 'reverting twice restores the changes')
})

void t.test('planRevert() returns undefined without the text of a module', async (t) => {
  t.equal(
    planRevert(changes, observed, () => undefined),
    undefined,
  )
})

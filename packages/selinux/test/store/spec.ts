import t from 'tap'
import { itemsOf } from '../../src/store/spec.ts'

void t.test('itemsOf() returns every target once', async (t) => {
  t.strictSame(itemsOf({}), [])
  t.strictSame(
    itemsOf({
      modules: { a: '', b: '' },
      remove: ['b', 'c', 'c'],
      booleans: { one: true, two: 'default' },
      dontaudit: 'silent',
    }),
    ['module a', 'module b', 'module c', 'boolean one', 'boolean two', 'dontaudit'],
  )
})

import t from 'tap'
import { declares, moduleName, moduleOf } from '../../src/store/modules.ts'

void t.test('moduleOf() returns the module of moduleName(), and undefined for other names', async (t) => {
  const name = moduleName('puppy_a', 'text')
  t.match(name, /^puppy_a-[0-9a-f]{12}$/)
  t.equal(moduleOf(name), 'puppy_a')
  for (const other of ['puppy_a', 'puppy_a-1', 'my-module', 'x-0000000000000', '']) t.equal(moduleOf(other), undefined)
  for (const bad of ['', 'A', 'a-b', '../a', 'a b', '-i', 'a'.repeat(41)])
    t.throws(() => moduleName(bad, ''), { code: 'SELINUX_INVALID' }, bad)
})

void t.test('declares() finds a declaration of a boolean', async (t) => {
  t.ok(declares('(type a_t)\n(boolean one false)\n', 'one'))
  t.notOk(declares('(booleanif one (true (allow a_t b_t (file (read)))))\n', 'one'))
  t.notOk(declares('(boolean one_more false)\n', 'one'))
})

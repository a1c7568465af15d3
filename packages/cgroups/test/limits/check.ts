import fc from 'fast-check'
import t from 'tap'
import { checkLimits, faultsOf, faultsOfShape, nameOf } from '../../src/limits/check.ts'
import { settingsOf } from '../../src/limits/settings.ts'

void t.test('checkLimits() returns the valid settings and the faults', async (t) => {
  const { settings, faults } = checkLimits({ pids: { max: 5 }, cpu: { max: 1.2345, weight: 0 } })
  t.strictSame(
    settings.map((setting) => [nameOf(setting), setting.value]),
    [
      ['cpu.max', 1.24],
      ['pids.max', 5],
    ],
  )
  t.strictSame(faults, [{ name: 'cpu.weight', value: '0', detail: 'must be a whole number from 1 to 10000' }])
})

void t.test('faultsOfShape() refuses a value that does not have the shape of limits', async (t) => {
  const shapes: readonly unknown[] = [
    { memory: null },
    { cpu: [] },
    { pids: 5 },
    { io: { max: 'all' } },
    { io: { max: [{}] } },
    null,
    [],
    'cpu',
    { __proto__: null, constructor: {} },
  ]
  for (const shape of shapes) {
    t.not(faultsOfShape(shape).length, 0, JSON.stringify(shape))
    t.throws(() => settingsOf(shape), { code: 'CGROUP_INVALID' })
  }
  t.strictSame(faultsOfShape({ cpu: {}, io: { max: [{ device: '/home' }] } }), [])
})

void t.test('faultsOf() returns every fault, and accepts any value', async (t) => {
  t.strictSame(faultsOf({ memory: { high: 2, max: 1 }, pids: { max: 0 }, cpu: { weight: 7 } }), [
    { name: 'pids.max', value: '0', detail: 'must be a whole number from 1 to 4194304, or max' },
    { name: 'memory.high', value: '2', detail: 'it is above memory.max (1) and would never be reached' },
  ])
  t.strictSame(faultsOf({ memory: { high: 1, max: 2 } }), [])
  const keys = fc.constantFrom('cpu', 'memory', 'pids', 'io', 'raw', 'misc', 'hugetlb', 'max', 'weight', 'device')
  const anything = fc.anything({ key: fc.oneof(keys, fc.string()), withNullPrototype: true })
  fc.assert(fc.property(anything, (value) => Array.isArray(faultsOf(value))))
})

import { matchWhole } from '@puppy/host/testing'
import fc from 'fast-check'
import t from 'tap'
import { changeRows, planRoutes } from '../../src/routes/plan.ts'
import { routeRows, type RouteSpec } from '../../src/routes/spec.ts'
import type { MapRow } from '../../src/runtime/maps.ts'

const all = { firstPort: 1, portsPerSlot: 1, slots: 65_000 }
const table = (ports: Record<string, number>, suspended: number[] = []): RouteSpec => ({
  ...all,
  routes: Object.entries(ports).map(([domain, port]) => ({ domain, port })),
  suspended,
})
const rows = (ports: Record<string, number>, suspended: number[] = []) => routeRows(table(ports, suspended))
/** Returns rows as a worker has them. */
const running = (...given: Parameters<typeof rows>) => {
  const { hosts, suspended } = rows(...given)
  const refer = (all: readonly MapRow[]) => all.map((row, n) => ({ ...row, reference: `#0x${n}` }))
  return { hosts: refer(hosts), suspended: refer(suspended) }
}

void t.test('planRoutes() adds, sets and removes', async (t) => {
  const { changes, refused, targets } = planRoutes(table({ a: 1, b: 2, c: 3 }, [4]), {
    disk: rows({ a: 1, b: 9, d: 5 }, [6]),
  })
  const [facility, map, other] = ['haproxy', 'suspended', 'hosts']
  t.strictSame(changes, [
    { facility, target: 'slot/4', action: 'add', after: '1', map, key: '4' },
    { facility, target: 'slot/6', action: 'remove', before: '1', map, key: '6' },
    { facility, target: 'b', action: 'set', before: '9', after: '2', map: other, key: 'b' },
    { facility, target: 'c', action: 'add', after: '3', map: other, key: 'c' },
    { facility, target: 'd', action: 'remove', before: '5', map: other, key: 'd' },
  ])
  t.strictSame(refused, [])
  t.strictSame(targets, ['a', 'b', 'c', 'slot/4'])
})

void t.test('planRoutes() plans a change when only the worker or only the disk is wrong', async (t) => {
  const wanted = table({ a: 1 })
  const changes = [
    planRoutes(wanted, { disk: rows({ a: 1 }), running: running({}) }),
    planRoutes(wanted, { disk: rows({ a: 1 }), running: running({ a: 2 }) }),
    planRoutes(wanted, { disk: rows({}), running: running({ a: 1 }) }),
    planRoutes(wanted, { disk: rows({ a: 3 }), running: running({ a: 1 }) }),
    planRoutes(wanted, { disk: rows({ a: 3 }), running: running({ a: 2 }) }),
  ].map((plan) => plan.changes.map(({ action, before }) => [action, before]))
  t.strictSame(changes, [[['add', undefined]], [['set', '2']], [['add', undefined]], [['set', '3']], [['set', '2']]])
})

void t.test('planRoutes() corrects a key that occurs twice', async (t) => {
  const { hosts, suspended } = rows({ a: 1 })
  const { changes } = planRoutes(table({ a: 1 }), { disk: { hosts: [...hosts, ...hosts], suspended } })
  t.equal(changes.length, 1)
  matchWhole(t, changes, [{ target: 'a', action: 'set', before: '1 and 1', after: '1' }])
})

void t.test('planRoutes() returns no change when spec and observation agree', async (t) => {
  const ports = fc.dictionary(fc.domain(), fc.integer({ min: 1, max: 65_000 }))
  fc.assert(
    fc.property(ports, fc.uniqueArray(fc.nat(100)), ports, (wanted, suspended, other) => {
      const there = rows(wanted, suspended)
      t.strictSame(
        planRoutes(table(wanted, suspended), { disk: there, running: running(wanted, suspended) }).changes,
        [],
      )
      const targets = planRoutes(table(wanted), { disk: rows(other) }).changes.map(({ target }) => target)
      t.equal(new Set(targets).size, targets.length)
    }),
  )
})

void t.test('planRoutes() with a scope changes no other row', async (t) => {
  const spec = { ...table({ a: 1, b: 2 }, [1, 2]), only: ['b', 'c', 'slot/2', 'slot/3'] }
  const { changes, targets } = planRoutes(spec, { disk: rows({ c: 9, d: 9 }, [3, 4]) })
  t.strictSame(
    changes.map(({ action, target }) => `${action} ${target}`),
    ['add slot/2', 'remove slot/3', 'add b', 'remove c'],
  )
  t.strictSame(targets, ['b', 'slot/2'])
})

void t.test('planRoutes() keeps the row on disk of a refused target, if HAProxy can load it', async (t) => {
  const observed = { disk: { hosts: [...rows({ a: 7 }).hosts, { key: 'b', value: 'x' }], suspended: [] } }
  const { changes, refused } = planRoutes(table({ a: 0, b: 0 }), observed)
  t.strictSame(
    refused.map(({ target, error }) => [target, error.code]),
    [
      ['a', 'HAPROXY_ROUTE_INVALID'],
      ['b', 'HAPROXY_ROUTE_INVALID'],
    ],
  )
  t.strictSame(
    changes.map(({ action, target }) => `${action} ${target}`),
    ['remove b'],
  )
})

void t.test('changeRows() turns the observed rows into those of the spec', async (t) => {
  const ports = fc.dictionary(fc.domain(), fc.integer({ min: 1, max: 65_000 }))
  fc.assert(
    fc.property(ports, ports, (wanted, other) => {
      const { changes } = planRoutes(table(wanted), { disk: rows(other) })
      const after = { hosts: changeRows(rows(other).hosts, changes, 'hosts'), suspended: [] }
      t.strictSame(planRoutes(table(wanted), { disk: after }).changes, [])
    }),
  )
  const doubled = [...rows({ a: 1 }).hosts, ...rows({ a: 1 }).hosts]
  const { changes } = planRoutes(table({ a: 1 }), { disk: { hosts: doubled, suspended: [] } })
  t.strictSame(changeRows(doubled, changes, 'hosts'), rows({ a: 1 }).hosts)
})

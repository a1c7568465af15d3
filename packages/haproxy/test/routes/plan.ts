import fc from 'fast-check'
import t from 'tap'
import { planRoutes } from '../../src/routes/plan.ts'
import { routeRows, type RouteTable } from '../../src/routes/table.ts'

const table = (ports: Record<string, number>, suspended: number[] = []): RouteTable => ({
  routes: Object.entries(ports).map(([domain, port]) => ({ domain, port })),
  suspended,
})
const rows = (ports: Record<string, number>, suspended: number[] = []) => routeRows(table(ports, suspended))

void t.test('planRoutes() adds, sets and removes', async (t) => {
  const plan = planRoutes(table({ a: 1, b: 2, c: 3 }, [4]), { disk: rows({ a: 1, b: 9, d: 5 }, [6]) })
  t.strictSame(plan, [
    { facility: 'haproxy', target: 'slot/4', action: 'add', after: '1' },
    { facility: 'haproxy', target: 'slot/6', action: 'remove', before: '1' },
    { facility: 'haproxy', target: 'b', action: 'set', before: '9', after: '2' },
    { facility: 'haproxy', target: 'c', action: 'add', after: '3' },
    { facility: 'haproxy', target: 'd', action: 'remove', before: '5' },
  ])
})

void t.test('planRoutes() sees a worker that is behind the disk, and a disk that is behind the worker', async (t) => {
  const wanted = table({ a: 1 })
  const changes = [
    planRoutes(wanted, { disk: rows({ a: 1 }), running: rows({}) }),
    planRoutes(wanted, { disk: rows({ a: 1 }), running: rows({ a: 2 }) }),
    planRoutes(wanted, { disk: rows({}), running: rows({ a: 1 }) }),
    planRoutes(wanted, { disk: rows({ a: 3 }), running: rows({ a: 1 }) }),
    planRoutes(wanted, { disk: rows({ a: 3 }), running: rows({ a: 2 }) }),
  ].map((plan) => plan.map(({ action, before }) => [action, before]))
  t.strictSame(changes, [[['add', undefined]], [['set', '2']], [['add', undefined]], [['set', '3']], [['set', '2']]])
})

void t.test('planRoutes() takes a key that stands there twice for wrong', async (t) => {
  const { hosts, suspended } = rows({ a: 1 })
  const plan = planRoutes(table({ a: 1 }), { disk: { hosts: [...hosts, ...hosts], suspended } })
  t.strictSame(plan, [{ facility: 'haproxy', target: 'a', action: 'set', before: '1 and 1', after: '1' }])
})

void t.test('planRoutes() of what is there is nothing', async (t) => {
  const ports = fc.dictionary(fc.domain(), fc.integer({ min: 1, max: 65_535 }))
  fc.assert(
    fc.property(ports, fc.uniqueArray(fc.nat(100)), ports, (wanted, suspended, other) => {
      const there = rows(wanted, suspended)
      t.strictSame(planRoutes(table(wanted, suspended), { disk: there, running: there }), [])
      const targets = planRoutes(table(wanted), { disk: rows(other) }).map(({ target }) => target)
      t.equal(new Set(targets).size, targets.length)
    }),
  )
})

import fc from 'fast-check'
import t from 'tap'
import { checkRoutes, routeRows, slotTarget } from '../../src/routes/table.ts'
import { range } from '../support/proxy.ts'

const good = { domain: 'a.test', port: 20_001 }
const bad: [title: string, domain: string, port: number][] = [
  ['a name that is none', 'a_b.test', 20_001],
  ['a name with a newline', 'a.test\nb.test 1', 20_001],
  ['a comment', '#a.test', 20_001],
  ['a port below', 'b.test', 19_999],
  ['a port above', 'b.test', range.firstPort + range.slots * range.portsPerSlot],
  ['half a port', 'b.test', 20_001.5],
  ['no number', 'b.test', Number.NaN],
]
for (const [title, domain, port] of bad) {
  void t.test(`checkRoutes() refuses ${title} and keeps its neighbour`, async (t) => {
    const { table, refused } = checkRoutes({ routes: [good, { domain, port }], suspended: [] }, range)
    t.strictSame(table.routes, [good])
    t.strictSame(
      refused.map(({ target, error }) => [target, error.code]),
      [[domain, 'HAPROXY_ROUTE_INVALID']],
    )
  })
}

void t.test('checkRoutes() refuses all rows of a domain with two ports, and takes one row said twice', async (t) => {
  const routes = [good, good, { domain: 'b.test', port: 20_001 }, { domain: 'b.test', port: 20_009 }]
  const { table, refused } = checkRoutes({ routes, suspended: [3, 3] }, range)
  t.strictSame(table, { routes: [good], suspended: [3] })
  t.strictSame(
    refused.map(({ target, error }) => [target, error.facts.detail]),
    [['b.test', 'it is wanted on 2 ports']],
  )
})

void t.test('checkRoutes() refuses a slot that does not exist', async (t) => {
  const { table, refused } = checkRoutes({ routes: [], suspended: [0, -1, range.slots, 0.5] }, range)
  t.strictSame(table.suspended, [0])
  t.strictSame(
    refused.map(({ target }) => target),
    ['slot/-1', `slot/${range.slots}`, 'slot/0.5'],
  )
})

void t.test('checkRoutes() has one verdict for every domain', async (t) => {
  const route = fc.record({ domain: fc.oneof(fc.string(), fc.domain(), fc.constant('a.test')), port: fc.nat(70_000) })
  fc.assert(
    fc.property(fc.array(route), (routes) => {
      const { table, refused } = checkRoutes({ routes, suspended: [] }, range)
      const judged = [...table.routes.map(({ domain }) => domain), ...refused.map(({ target }) => target)]
      t.strictSame(judged.toSorted(), [...new Set(routes.map(({ domain }) => domain))].toSorted())
    }),
  )
})

void t.test('routeRows() and slotTarget() name things as the maps and plans do', async (t) => {
  t.strictSame(routeRows({ routes: [good], suspended: [7] }), {
    hosts: [{ key: 'a.test', value: '20001' }],
    suspended: [{ key: '7', value: '1' }],
  })
  t.equal(slotTarget(7), 'slot/7')
})

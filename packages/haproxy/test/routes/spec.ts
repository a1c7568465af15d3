import { matchWhole } from '@puppy/host/testing'
import fc from 'fast-check'
import t from 'tap'
import { partitionRoutes, routeRows, slotTarget } from '../../src/routes/spec.ts'
import { range } from '../support/proxy.ts'

const good = { domain: 'a.test', port: 20_001 }
const bad: [title: string, domain: string, port: number][] = [
  ['a name with an underscore', 'a_b.test', 20_001],
  ['a name with a newline', 'a.test\nb.test 1', 20_001],
  ['a comment', '#a.test', 20_001],
  ['a port below', 'b.test', 19_999],
  ['a port above', 'b.test', range.firstPort + range.slots * range.portsPerSlot],
  ['half a port', 'b.test', 20_001.5],
  ['NaN as a port', 'b.test', Number.NaN],
]
for (const [title, domain, port] of bad) {
  void t.test(`partitionRoutes() refuses ${title} and keeps the other row`, async (t) => {
    const { table, refused } = partitionRoutes({ ...range, routes: [good, { domain, port }], suspended: [] })
    t.strictSame(table.routes, [good])
    matchWhole(t, refused, [{ target: domain, error: { code: 'HAPROXY_ROUTE_INVALID' } }])
  })
}

void t.test(
  'partitionRoutes() refuses all rows of a domain with two ports, and counts a repeated row once',
  async (t) => {
    const routes = [good, good, { domain: 'b.test', port: 20_001 }, { domain: 'b.test', port: 20_009 }]
    const { table, refused } = partitionRoutes({ ...range, routes, suspended: [3, 3] })
    t.strictSame(table, { routes: [good], suspended: [3] })
    matchWhole(t, refused, [{ target: 'b.test', error: { message: /2 ports/ } }])
  },
)

void t.test('partitionRoutes() refuses a slot that does not exist', async (t) => {
  const { table, refused } = partitionRoutes({ ...range, routes: [], suspended: [0, -1, range.slots, 0.5] })
  t.strictSame(table.suspended, [0])
  t.strictSame(
    refused.map(({ target }) => target),
    ['slot/-1', `slot/${range.slots}`, 'slot/0.5'],
  )
})

void t.test('partitionRoutes() accepts or refuses every domain exactly once', async (t) => {
  const route = fc.record({ domain: fc.oneof(fc.string(), fc.domain(), fc.constant('a.test')), port: fc.nat(70_000) })
  fc.assert(
    fc.property(fc.array(route), (routes) => {
      const { table, refused } = partitionRoutes({ ...range, routes, suspended: [] })
      const judged = [...table.routes.map(({ domain }) => domain), ...refused.map(({ target }) => target)]
      t.strictSame(judged.toSorted(), [...new Set(routes.map(({ domain }) => domain))].toSorted())
    }),
  )
})

void t.test('routeRows() and slotTarget() use the names of the maps and the change sets', async (t) => {
  t.strictSame(routeRows({ routes: [good], suspended: [7] }), {
    hosts: [{ key: 'a.test', value: '20001' }],
    suspended: [{ key: '7', value: '1' }],
  })
  t.equal(slotTarget(7), 'slot/7')
})

void t.test('partitionRoutes() leaves out rows that are not in scope', async (t) => {
  const routes = [good, { domain: 'b.test', port: 1 }, { domain: 'c.test', port: 1 }]
  const spec = { ...range, routes, suspended: [1, 2, -1, -2], only: ['a.test', 'b.test', 'slot/2', 'slot/-1'] }
  const { table, refused } = partitionRoutes(spec)
  t.strictSame(table, { routes: [good], suspended: [2] })
  t.strictSame(
    refused.map(({ target }) => target),
    ['b.test', 'slot/-1'],
  )
})

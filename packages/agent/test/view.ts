import { slotAt, slotCount } from '@puppy/accounts'
import fc from 'fast-check'
import t from 'tap'
import { checkView } from '../src/view.ts'
import { accountRow, domainRow, smallLayout } from './support/rows.ts'

const layout = smallLayout

void t.test('checkView() computes a tenant from the number of its slot', async (t) => {
  const planSpec = { class: 'production', ports: 3, domains: 2, pids: { max: 64 }, disk: { bytes: 1 } } as const
  const account = accountRow(1, { slot: 2, sshKeys: ['ssh-ed25519 AAAA anna'], planSpec })
  const domain = domainRow(5, { slot: 2, port: 10_257 })
  const { view, refusedAccounts, refusedDomains } = checkView(layout, [account], [domain])
  t.same(view, {
    complete: false,
    builtSlots: [],
    tenants: [
      {
        id: 1,
        reseller: 'acme',
        name: 'account-1',
        slot: slotAt(layout, 2),
        ports: 3,
        sshKeys: ['ssh-ed25519 AAAA anna'],
        domains: ['domain-5.example.com'],
        suspended: false,
        throttled: false,
        limits: { pids: { max: 64 } },
        disk: { bytes: 1 },
      },
    ],
    routes: [{ id: 5, domain: 'domain-5.example.com', port: 10_257 }],
    suspended: [],
    goneRoutes: [],
  })
  t.same([refusedAccounts.size, refusedDomains.size], [0, 0])
})

void t.test('checkView() computes built slots from numbers, and replaces an unknown egress policy', async (t) => {
  const rows = [
    { n: 0, egress: 'local', free: false },
    { n: 1, egress: 'of another version', free: true },
    { n: slotCount(layout), egress: 'open', free: true },
  ]
  const { builtSlots, complete } = checkView(layout, [], [], { complete: true, builtSlots: rows }).view
  t.ok(complete)
  t.same(builtSlots, [
    { slot: slotAt(layout, 0), egress: 'local', free: false },
    { slot: slotAt(layout, 1), egress: 'default', free: true },
  ])
})

void t.test('checkView() refuses an account whose slot the host does not have', async (t) => {
  for (const [title, slot] of [
    ['below the first', -1],
    ['behind the last', slotCount(layout)],
    ['between two', 1.5],
    ['no number', Number.NaN],
    ['absent', null],
  ] as const) {
    const { view, refusedAccounts } = checkView(layout, [accountRow(1, { slot }), accountRow(2, { slot: 1 })], [])
    t.matchOnlyStrict(
      [...refusedAccounts],
      [[1, { type: 'slot', status: 'false', reason: 'no_slot', message: String }]],
      title,
    )
    t.same(
      view.tenants.map(({ id }) => id),
      [2],
      `${title}: its neighbour is accepted`,
    )
  }
})

void t.test('checkView() refuses a domain whose port does not belong to its account', async (t) => {
  for (const [title, row, reason] of [
    ['the port before the slot', { slot: 1, port: 10_247 }, 'port_not_of_account'],
    ['the port behind the slot', { slot: 1, port: 10_256 }, 'port_not_of_account'],
    ['a port of the system', { slot: 1, port: 22 }, 'port_not_of_account'],
    ['a port between two', { slot: 1, port: 10_248.5 }, 'port_not_of_account'],
    ['a slot behind the last', { slot: 4, port: 10_272 }, 'no_slot'],
    ['a slot below the first', { slot: -1, port: 10_232 }, 'no_slot'],
    ['no slot yet', { slot: null, port: 10_248 }, 'no_slot'],
  ] as const) {
    const good = domainRow(6, { slot: 1, port: 10_255 })
    const account = accountRow(1, { slot: 1 })
    const { view, refusedDomains } = checkView(layout, [account], [domainRow(5, row), good])
    t.matchOnlyStrict([...refusedDomains], [[5, { type: 'slot', status: 'false', reason, message: String }]], title)
    t.same(
      view.routes.map(({ id }) => id),
      [6],
      `${title}: its neighbour is accepted`,
    )
    t.same(view.tenants[0]?.domains, ['domain-6.example.com'], `${title}: the tenant’s domains do not include it`)
  }
})

void t.test('checkView() lists deleted domains for removal, whatever their rows contain', async (t) => {
  const deletedAt = new Date()
  const rows = [
    domainRow(5, { deletedAt }),
    domainRow(6, { deletedAt, slot: null }),
    domainRow(7, { deletedAt, port: 22, suspended: true }),
  ]
  const { view, refusedDomains } = checkView(layout, [accountRow(1)], rows)
  t.same(view.goneRoutes, [
    { id: 5, domain: 'domain-5.example.com' },
    { id: 6, domain: 'domain-6.example.com' },
    { id: 7, domain: 'domain-7.example.com' },
  ])
  t.same([view.routes, view.suspended, view.tenants[0]?.domains, refusedDomains.size], [[], [], [], 0])
})

void t.test('checkView() lists each suspended slot once, also when its account is not visited', async (t) => {
  const rows = [
    domainRow(5, { slot: 2, port: 10_256, suspended: true }),
    domainRow(6, { slot: 2, port: 10_257, suspended: true }),
    domainRow(7, { slot: 1, port: 10_248 }),
    domainRow(8, { slot: 9, suspended: true }),
  ]
  t.same(checkView(layout, [], rows).view.suspended, [2])
  t.equal(checkView(layout, [accountRow(1, { state: 'suspended' })], []).view.tenants[0]?.suspended, true)
})

void t.test('checkView() accepts no port outside the domain’s slot, whatever the rows contain', async (t) => {
  const row = fc.record({
    slot: fc.option(fc.integer({ min: -2, max: 6 })),
    port: fc.integer({ min: 10_230, max: 10_290 }),
    suspended: fc.boolean(),
    deletedAt: fc.option(fc.constant(new Date(0))),
  })
  fc.assert(
    fc.property(fc.array(row), (found) => {
      const domains = found.map((more, index) => domainRow(index, more))
      const { view, refusedDomains } = checkView(layout, [], domains)
      const kinds = [view.routes.map(({ id }) => id), [...refusedDomains.keys()], view.goneRoutes.map(({ id }) => id)]
      const once = kinds.flat().toSorted((one, other) => one - other)
      const own = view.routes.every(({ id, port }) => Math.floor((port - layout.firstPort) / 8) === domains[id]?.slot)
      return own && once.every((id, index) => id === index) && once.length === domains.length
    }),
  )
  t.pass('every row is a route, refused or listed for removal')
})

void t.test('checkView() refuses each invalid row with its reason, and passes on its neighbours', async (t) => {
  const accounts = [
    accountRow(1, { slot: 0 }),
    accountRow(2, { slot: 1, planSpec: null }),
    accountRow(3, { slot: 2, holdsSlot: false }),
    // A row that makes the check itself fail.
    accountRow(4, {
      slot: 3,
      planSpec: new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('no keys')
          },
          getOwnPropertyDescriptor: () => {
            throw new Error('no keys')
          },
        },
      ),
    }),
  ]
  const domains = [
    domainRow(5, { account: 1 }),
    domainRow(6, { account: 1, name: 'a b' }),
    domainRow(7, { account: 1, generation: 2 ** 53 }),
    domainRow(8, { account: 2, slot: 1, port: 10_248 }),
  ]
  const { view, refusedAccounts, refusedDomains } = checkView(layout, accounts, domains)
  const refused = { type: 'slot', status: 'false' }
  t.matchOnlyStrict(
    [...refusedAccounts],
    [
      [
        2,
        { ...refused, reason: 'row_invalid', message: /^the row in the database is not valid: the spec of its plan/ },
      ],
      [3, { ...refused, reason: 'slot_not_taken', message: /delete the account$/ }],
      [4, { ...refused, reason: 'row_invalid', message: /the check failed: no keys/ }],
    ],
  )
  t.matchOnlyStrict(
    [...refusedDomains],
    [
      [6, { ...refused, reason: 'row_invalid', message: /its name is not valid/ }],
      [7, { ...refused, reason: 'row_invalid', message: /its generation is not between/ }],
    ],
  )
  t.strictSame(
    view.tenants.map(({ id, domains: names }) => [id, names]),
    [[1, ['domain-5.example.com', 'domain-7.example.com']]],
  )
  t.strictSame(
    view.routes.map(({ id }) => id),
    [5, 7, 8],
    'routes of an invalid account and of an invalid generation stay',
  )
})

void t.test('checkView() passes no key of a suspended account', async (t) => {
  const { view } = checkView(layout, [accountRow(1, { state: 'suspended', sshKeys: [null] })], [])
  t.match(view.tenants[0], { suspended: true })
  t.strictSame(view.tenants[0]?.sshKeys, [])
})

import fc from 'fast-check'
import t from 'tap'
import { FirewallError } from '../../src/errors.ts'
import { foreign, parseListing } from '../../src/nft/parse.ts'

const listing = (...objects: readonly unknown[]) =>
  JSON.stringify({
    nftables: [{ metainfo: { version: '1.0.6' } }, { table: { family: 'inet', name: 'x', handle: 1 } }, ...objects],
  })

/** Output of nft 1.0.6 on Debian 12. */
const real = listing(
  {
    set: {
      family: 'inet',
      name: 'own',
      table: 'x',
      type: ['uid', 'inet_service'],
      handle: 6,
      flags: ['interval'],
      elem: [{ concat: [10_000, { range: [10_240, 10_247] }] }],
    },
  },
  {
    map: {
      family: 'inet',
      name: 'egress',
      table: 'x',
      type: 'uid',
      handle: 9,
      map: 'verdict',
      elem: [[10_007, { goto: { target: 'open' } }]],
    },
  },
  {
    set: {
      family: 'inet',
      name: 'sent',
      table: 'x',
      type: 'uid',
      handle: 10,
      elem: [{ elem: { val: 10_000, counter: { packets: 3, bytes: 4 } } }],
      stmt: [{ counter: null }],
    },
  },
  {
    set: {
      family: 'inet',
      name: 'metadata4',
      table: 'x',
      type: 'ipv4_addr',
      handle: 14,
      flags: ['interval'],
      elem: ['168.63.129.16', { prefix: { addr: '169.254.0.0', len: 16 } }],
    },
  },
  {
    chain: {
      family: 'inet',
      table: 'x',
      name: 'output',
      handle: 3,
      type: 'filter',
      hook: 'output',
      prio: 0,
      policy: 'accept',
    },
  },
  { chain: { family: 'inet', table: 'x', name: 'open', handle: 4 } },
  { rule: { family: 'inet', table: 'x', chain: 'output', handle: 16, comment: 'puppy:a:1', expr: [{ drop: null }] } },
  { rule: { family: 'inet', table: 'x', chain: 'output', handle: 17, expr: [{ drop: null }] } },
)

void t.test('parseListing() reads a listing', async (t) => {
  const { sets, chains, foreign: found } = parseListing(real, 'x')
  t.strictSame(sets.get('own'), {
    name: 'own',
    type: ['uid', 'inet_service'],
    interval: true,
    counter: false,
    verdicts: false,
    elements: [{ key: [10_000, { range: [10_240, 10_247] }] }],
    foreign: 0,
  })
  t.strictSame(sets.get('egress')?.elements, [{ key: [10_007], goto: 'open' }])
  t.strictSame(sets.get('sent')?.elements, [{ key: [10_000], counter: { packets: 3, bytes: 4 } }])
  t.strictSame(sets.get('metadata4')?.elements.length, 2)
  t.strictSame(chains.get('output'), {
    name: 'output',
    base: { hook: 'output', priority: 0 },
    comments: ['puppy:a:1', undefined],
  })
  t.strictSame(chains.get('open'), { name: 'open', comments: [] })
  t.strictSame(found, [])
})

const strange: readonly (readonly [claim: string, object: unknown, kind: string, name: string])[] = [
  ['a named counter', { counter: { name: 'c', packets: 1, bytes: 2 } }, 'counter', 'c'],
  ['a set of another type', { set: { name: 's', type: 'ether_addr' } }, 'set', 's'],
  ['a set with a timeout', { set: { name: 's', type: 'uid', flags: ['timeout'] } }, 'set', 's'],
  ['a map to marks', { map: { name: 'm', type: 'uid', map: 'mark' } }, 'map', 'm'],
  [
    'a chain of another type',
    { chain: { name: 'n', type: 'nat', hook: 'output', prio: 0, policy: 'accept' } },
    'chain',
    'n',
  ],
  [
    'a chain that drops by policy',
    { chain: { name: 'd', type: 'filter', hook: 'input', prio: 0, policy: 'drop' } },
    'chain',
    'd',
  ],
  ['an object of an unknown kind', { teleporter: { name: 't' } }, 'teleporter', 't'],
  ['a chain without a name', { chain: { name: 7 } }, 'chain', ''],
  ['a rule without a chain', { rule: { expr: [] } }, 'rule', ''],
]
for (const [claim, object, kind, name] of strange) {
  void t.test(`parseListing() keeps ${claim} as foreign`, async (t) => {
    t.strictSame(parseListing(listing(object), 'x').foreign, [{ kind, name, text: `${kind} "${name}"` }])
  })
}

void t.test('parseListing() counts elements of an unknown shape', async (t) => {
  const elem = [
    1,
    { range: [1] },
    { elem: { val: 3, expires: 4 } },
    { elem: { val: 5, counter: { bytes: -1 } } },
    null,
    2 ** 40,
  ]
  t.strictSame(parseListing(listing({ set: { name: 's', type: 'uid', elem } }), 'x').sets.get('s'), {
    name: 's',
    type: ['uid'],
    interval: false,
    counter: false,
    verdicts: false,
    elements: [{ key: [1] }],
    foreign: 5,
  })
  const map = {
    name: 'm',
    type: 'uid',
    map: 'verdict',
    elem: [[1, { jump: { target: 'a' } }], [2, { goto: { target: 'a' } }], 3],
  }
  t.strictSame(parseListing(listing({ map }), 'x').sets.get('m'), {
    name: 'm',
    type: ['uid'],
    interval: false,
    counter: false,
    verdicts: true,
    elements: [{ key: [2], goto: 'a' }],
    foreign: 2,
  })
})

for (const text of [
  '',
  'null',
  '[]',
  '{}',
  '{"nftables":7}',
  '{"nftables":[7]}',
  '{"nftables":[]}',
  '{"nftables":[{"table":1}]}',
  '{"nftables":[{}]}',
]) {
  void t.test(`parseListing() refuses ${text === '' ? 'an empty text' : text}`, async (t) => {
    t.throws(() => parseListing(text, 'x'), { code: 'FIREWALL_UNREADABLE' })
  })
}

void t.test('parseListing() throws only FirewallError for any text', async () => {
  const guarded = (text: string) => {
    try {
      parseListing(text, 'x')
    } catch (error) {
      if (!(error instanceof FirewallError)) throw error
    }
  }
  fc.assert(fc.property(fc.string({ unit: 'binary' }), guarded))
  const kind = fc.constantFrom('table', 'set', 'map', 'chain', 'rule', 'counter', '__proto__')
  const word = fc.constantFrom(
    'name',
    'type',
    'elem',
    'flags',
    'stmt',
    'map',
    'hook',
    'prio',
    'chain',
    'comment',
    '__proto__',
  )
  const object = fc.dictionary(kind, fc.oneof(fc.dictionary(word, fc.jsonValue()), fc.jsonValue()), { maxKeys: 2 })
  fc.assert(fc.property(fc.array(object), (objects) => guarded(JSON.stringify({ nftables: objects }))))
})

void t.test('parseListing() accepts one flag as a word, as nft 1.1 prints it', async (t) => {
  const { sets } = parseListing(
    listing({ set: { name: 's', type: 'uid', flags: 'interval', stmt: { counter: null } } }),
    'x',
  )
  t.match(sets.get('s'), { interval: true, counter: true })
})

void t.test('foreign() includes the name', async (t) => {
  t.strictSame(foreign('set', 's'), { kind: 'set', name: 's', text: 'set "s"' })
})

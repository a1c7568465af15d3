import fc from 'fast-check'
import t from 'tap'
import { renderElement } from '../../src/nft/key.ts'
import { parseListing } from '../../src/nft/parse.ts'
import {
  addElements,
  addSet,
  addTable,
  assertName,
  deleteElements,
  deleteObject,
  deleteTable,
  flushChain,
  flushSet,
  flushTable,
  inMessages,
  renderCommands,
  renderComment,
} from '../../src/nft/render.ts'
import type { KeyPart, Table } from '../../src/nft/table.ts'

const table: Table = {
  name: 'puppy',
  sets: [
    { name: 'own', type: ['uid', 'inet_service'], interval: true, elements: [{ key: [5, { range: [1, 2] }] }] },
    { name: 'egress', type: ['uid'], verdicts: true, elements: [{ key: [5], goto: 'open' }] },
    { name: 'sent', type: ['uid'], counter: true, elements: [] },
  ],
  chains: [
    { name: 'output', base: { hook: 'output', priority: 0 }, rules: [{ name: 'a', statements: [{ drop: null }] }] },
    { name: 'open', rules: [] },
  ],
}

void t.test('addTable() creates an object before the objects that refer to it', async (t) => {
  const made = addTable(table).map(({ add }) => Object.keys(add ?? {})[0])
  t.strictSame(made, ['table', 'set', 'map', 'set', 'chain', 'chain', 'element', 'element', 'rule'])
})

void t.test('renderCommands() renders the format of libnftables-json(5)', async (t) => {
  t.equal(
    renderCommands([addSet('puppy', { name: 'sent', type: ['uid'], counter: true, elements: [] })]),
    '{"nftables":[{"add":{"set":{"family":"inet","table":"puppy","name":"sent","type":"uid","stmt":[{"counter":null}]}}}]}',
  )
  t.strictSame(
    deleteTable('x').map((command) => Object.keys(command)[0]),
    ['add', 'delete'],
    'nft before 1.0.8 has no destroy',
  )
  t.match(flushTable('x'), { flush: { table: { name: 'x' } } })
  t.match(flushChain('x', 'c'), { flush: { chain: { name: 'c' } } })
  t.match(flushSet('x', { name: 'm', verdicts: true }), { flush: { map: { name: 'm' } } })
  t.match(deleteObject('x', { kind: 'ct helper', name: 'h' }), { delete: { 'ct helper': { name: 'h' } } })
  t.strictSame(addElements('x', 's', []), [], 'no element, no command')
  t.strictSame(deleteElements('x', 's', [{ key: [5], goto: 'open' }]), [
    { delete: { element: { family: 'inet', table: 'x', name: 's', elem: [5] } } },
  ])
})

void t.test('renderComment() depends on the statements of the rule', async (t) => {
  const comment = renderComment({ name: 'own', statements: [{ drop: null }] })
  t.match(comment, /^puppy:own:[0-9a-f]{12}$/)
  t.not(comment, renderComment({ name: 'own', statements: [{ accept: null }] }))
  for (const name of ['a\nb', 'a"b', 'x'.repeat(128), '\u0000']) {
    t.throws(() => renderComment({ name, statements: [] }), { code: 'FIREWALL_INVALID' })
  }
})

void t.test('assertName() accepts one word of nft’s grammar', async (t) => {
  for (const name of ['puppy', 'a-b_C9']) t.doesNotThrow(() => assertName('table', name))
  for (const name of ['', '9a', 'a b', 'a;flush ruleset', '@x', 'ä', 'a'.repeat(64)]) {
    t.throws(() => assertName('table', name), { code: 'FIREWALL_INVALID' })
  }
})

void t.test('addElements() renders commands that fit in one netlink message', async (t) => {
  const elements = Array.from({ length: 1200 }, (_, uid) => ({ key: [uid] }))
  const sizes = inMessages(elements).map(({ length }) => length)
  t.strictSame(sizes, [500, 500, 200])
  t.equal(addElements('x', 's', elements).length, 3)
  t.equal(deleteElements('x', 's', elements).length, 3)
  t.strictSame(inMessages([]), [])
})

void t.test('addElements() refuses numbers beyond 32 bits', async (t) => {
  for (const key of [[2 ** 32], [-1], [1.5], [{ range: [0, 2 ** 32] as const }]] satisfies KeyPart[][]) {
    t.throws(() => addElements('x', 's', [{ key }]), { code: 'FIREWALL_INVALID' })
  }
})

void t.test('parseListing() returns the elements that addElements() rendered', async () => {
  const number = fc.integer({ min: 0, max: 2 ** 32 - 1 })
  const part: fc.Arbitrary<KeyPart> = fc.oneof(
    number,
    fc.ipV4(),
    fc.tuple(number, number).map(([one, other]) => ({ range: [Math.min(one, other), Math.max(one, other)] as const })),
    fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 31 })).map(([addr, len]) => ({ prefix: { addr, len } })),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(part, part), { minLength: 1 }), (keys) => {
      const elements = keys.map((key) => ({ key }))
      const [command] = addElements('x', 's', elements)
      const { elem } = (command?.add?.['element'] ?? {}) as { readonly elem?: unknown }
      const set = { family: 'inet', name: 's', table: 'x', type: ['uid', 'uid'], flags: ['interval'], elem }
      const listing = JSON.stringify({ nftables: [{ table: { name: 'x' } }, { set }] })
      const parsed = parseListing(listing, 'x').sets.get('s')?.elements ?? []
      const [before, after] = [elements, parsed].map((list) => list.map((element) => renderElement(element)).join())
      if (before !== after) throw new Error(`${before} became ${after}`)
    }),
  )
})

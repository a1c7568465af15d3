import t from 'tap'
import { renderElement } from '../../src/nft/key.ts'
import { destinationPort, is, range, sourcePort } from '../../src/rules/statements.ts'
import { tableOf } from '../../src/rules/table.ts'
import { crowd, settings } from '../support/settings.ts'

const elementsOf = (name: string, wanted = settings) =>
  tableOf('puppy', wanted)
    .sets.find((set) => set.name === name)
    ?.elements.map((element) => renderElement(element))

void t.test(
  'tableOf() puts tenants in sets: the number of rules does not depend on the number of tenants',
  async (t) => {
    t.strictSame(elementsOf('own')?.[0], '10000 . 10240-10247')
    t.strictSame(elementsOf('slots'), ['10240-10271'], 'adjacent slots are one range')
    const apart = { ...settings, egress: [], slots: settings.slots.filter(({ uid }) => uid !== 10_001).toReversed() }
    t.strictSame(elementsOf('slots', apart), ['10240-10247', '10256-10271'])
    t.strictSame(elementsOf('sent'), elementsOf('received'))
    t.strictSame(elementsOf('guards'), ['991 . 8420', '0 . 8080', '990 . 8080'])
    t.strictSame(elementsOf('egress'), ['10001 : goto open', '10002 : goto client', '10003 : goto local'])
    t.strictSame(elementsOf('refused'), ['25'])
    t.ok(elementsOf('metadata4')?.includes('169.254.0.0/16'))
    t.ok(elementsOf('metadata6')?.includes('fd00:ec2::254'))
    const rules = (wanted: typeof settings) =>
      tableOf('puppy', wanted).chains.reduce((sum, chain) => sum + chain.rules.length, 0)
    t.equal(rules(crowd(2816)), rules(settings))
  },
)

void t.test('tableOf() checks every port of every slot, including the last slot', async (t) => {
  for (const slots of [settings.slots, settings.slots.filter((_, n) => n !== 1).toReversed()]) {
    const rules = tableOf('puppy', { ...settings, slots, egress: [] }).chains.flatMap((chain) => chain.rules)
    const near = rules.flatMap(({ name, statements }) =>
      ['reaches', 'answers', 'outside'].includes(name) ? [[name, statements[0]]] : [],
    )
    t.strictSame(near, [
      ['reaches', is(destinationPort, range(10_240, 10_271))],
      ['answers', is(sourcePort, range(10_240, 10_271))],
      ['outside', is(destinationPort, range(10_240, 10_271))],
    ])
  }
})

void t.test('tableOf() has no rule about ports of slots when the spec has no slots', async (t) => {
  const { chains } = tableOf('puppy', { ...settings, slots: [], egress: [] })
  const names = chains.flatMap(({ rules }) => rules.map(({ name }) => name))
  t.notOk(names.includes('answers') || names.includes('reaches') || names.includes('outside'))
  t.ok(names.includes('guards'))
})

void t.test('tableOf() uses unique rule names and existing jump targets', async (t) => {
  const { chains } = tableOf('puppy', settings)
  const names = chains.flatMap(({ rules }) => rules.map(({ name }) => name))
  t.equal(new Set(names).size, names.length)
  const targets = new Set(chains.map(({ name }) => name))
  const jumps = [...JSON.stringify(chains).matchAll(/"target":"([^"]+)"/g)].map(([, target = '']) => target)
  t.ok(jumps.length > 0)
  for (const target of jumps) t.ok(targets.has(target), target)
  t.notMatch(JSON.stringify(chains), /"ct"/, 'no connection tracking')
})

void t.test('tableOf() refuses an invalid spec', async (t) => {
  t.throws(() => tableOf('puppy', { ...settings, callers: [-1] }), { code: 'FIREWALL_INVALID' })
})

import t from 'tap'
import { renderCommands, renderComment } from '../src/nft/render.ts'
import type { ObservedTable, Table } from '../src/nft/table.ts'
import { planTable } from '../src/plan.ts'

const wanted: Table = {
  name: 'x',
  sets: [
    { name: 's', type: ['uid'], elements: [{ key: [1] }, { key: [2] }] },
    { name: 'm', type: ['uid'], verdicts: true, elements: [{ key: [1], goto: 'c' }] },
  ],
  chains: [{ name: 'c', rules: [{ name: 'r', statements: [{ drop: null }] }] }],
}

const observed = (over: Partial<ObservedTable> = {}): ObservedTable => ({
  name: 'x',
  sets: new Map(
    wanted.sets.map((set) => [set.name, { interval: false, counter: false, verdicts: false, ...set, foreign: 0 }]),
  ),
  chains: new Map(
    wanted.chains.map(({ name, rules }) => [name, { name, comments: rules.map((rule) => renderComment(rule)) }]),
  ),
  foreign: [],
  objects: [],
  ...over,
})

const verbs = (now: ObservedTable | undefined, options = {}) =>
  planTable(wanted, now, options).commands.map((command) =>
    Object.entries(command)
      .map(([verb, body]) => `${verb} ${Object.keys(body)[0]}`)
      .join(),
  )

void t.test('planTable() returns no change for equal tables', async (t) => {
  t.strictSame(planTable(wanted, observed()), { changes: [], commands: [] })
})

void t.test('planTable() adds a missing table', async (t) => {
  t.strictSame(planTable(wanted, undefined).changes, [
    { facility: 'firewall', target: 'table', action: 'add', after: '1 chains, 1 rules, 2 sets, 3 elements' },
  ])
})

void t.test('planTable() changes sets element by element', async (t) => {
  const sets = new Map(observed().sets)
  sets.set('s', { name: 's', type: ['uid'], elements: [{ key: [2] }, { key: [3] }], foreign: 0 })
  const { changes, commands } = planTable(wanted, observed({ sets }))
  t.strictSame(changes, [{ facility: 'firewall', target: 'set s', action: 'change', before: '3', after: '1' }])
  t.match(renderCommands(commands), /"delete":\{"element":.*\[3\].*"add":\{"element":.*\[1\]/)
})

void t.test('planTable() replaces an element whose verdict has another target', async (t) => {
  const sets = new Map(observed().sets)
  sets.set('m', { name: 'm', type: ['uid'], verdicts: true, elements: [{ key: [1], goto: 'd' }], foreign: 0 })
  t.strictSame(verbs(observed({ sets })), ['delete element', 'add element'])
})

void t.test('planTable() fills a chain again when its rules differ, are out of order or are foreign', async (t) => {
  for (const comments of [
    [],
    [undefined],
    ['puppy:r:0'],
    [renderComment({ name: 'r', statements: [{ drop: null }] }), 'x'],
  ]) {
    const planned = verbs(observed({ chains: new Map([['c', { name: 'c', comments }]]) }))
    t.strictSame(planned, comments.length === 0 ? ['add rule'] : ['flush chain', 'add rule'])
  }
})

void t.test('planTable() adds a missing object before the objects that refer to it', async (t) => {
  const planned = verbs(observed({ sets: new Map(), chains: new Map() }))
  t.strictSame(planned, ['add set', 'add map', 'add chain', 'add element', 'add element', 'add rule'])
})

void t.test('planTable() removes foreign objects and keeps matching sets', async (t) => {
  const foreign = [{ kind: 'counter', name: 'n', text: 'counter "n"' }]
  t.strictSame(verbs(observed({ foreign })), ['flush table', 'flush map', 'delete counter', 'add element', 'add rule'])
  t.strictSame(planTable(wanted, observed({ foreign })).changes, [
    {
      facility: 'firewall',
      target: 'table',
      action: 'replace',
      before: 'counter "n"',
      after: '1 chains, 1 rules, 2 sets, 3 elements',
    },
  ])
  t.strictSame(verbs(observed({ foreign }), { recreate: true }).slice(0, 3), ['add table', 'delete table', 'add table'])
  const chains = new Map([
    ...observed().chains,
    ['z', { name: 'z', base: { hook: 'input', priority: 0 }, comments: [] }] as const,
  ])
  t.ok(verbs(observed({ chains })).includes('delete chain'))
})

void t.test('planTable() shows at most eight elements', async (t) => {
  const elements = Array.from({ length: 20 }, (_, uid) => ({ key: [uid] }))
  const many = { ...wanted, sets: [{ name: 's', type: ['uid'] as const, elements }, ...wanted.sets.slice(1)] }
  t.strictSame(planTable(many, observed()).changes, [
    { facility: 'firewall', target: 'set s', action: 'add', after: '0, 3, 4, 5, 6, 7, 8, 9, … (18)' },
  ])
})

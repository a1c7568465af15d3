import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import {
  generationOf,
  generationsFolder,
  parseGenerations,
  previousSpec,
  stands,
  tidyGenerations,
  writeGeneration,
} from '../../src/store/generations.ts'
import { moduleName } from '../../src/store/modules.ts'
import { planPolicy } from '../../src/store/plan.ts'
import type { ObservedPolicy } from '../../src/store/read-store.ts'
import type { PolicySpec } from '../../src/store/spec.ts'
import { observedStore } from '../support/store.ts'

const [first, second] = [moduleName('puppy_a', 'first'), moduleName('puppy_a', 'second')]
const nothingBefore = { code: 'SELINUX_NO_PREVIOUS' }

void t.test('generationOf() returns both states of every item, and undefined for a repair', async (t) => {
  const spec: PolicySpec = { modules: { puppy_a: 'second' }, remove: ['puppy_b'], booleans: { one: true } }
  const { changes } = planPolicy(spec, observedStore([first, 'puppy_b-000000000000']))
  t.strictSame(generationOf(changes), {
    modules: [
      { module: 'puppy_b', before: 'puppy_b-000000000000' },
      { module: 'puppy_a', before: first, after: second },
    ],
    booleans: [{ boolean: 'one', before: 'default', after: true }],
  })
  const mending = observedStore([second], { disabled: [second], empty: ['/x'], interrupted: true })
  t.equal(generationOf(planPolicy({ modules: { puppy_a: 'second' } }, mending).changes), undefined)
})

void t.test('stands() is false after another process has changed an item', async (t) => {
  const generation = {
    modules: [{ module: 'puppy_a', before: first, after: second }, { module: 'puppy_b' }],
    booleans: [{ boolean: 'one', before: 'default', after: true }],
  } as const
  t.ok(stands(generation, observedStore([second, 'theirs'], { booleans: { one: true } })))
  t.notOk(stands(generation, observedStore([second])))
  t.notOk(stands(generation, observedStore([first], { booleans: { one: true } })))
  t.notOk(stands(generation, observedStore([first, second], { booleans: { one: true } })))
  t.notOk(stands(generation, observedStore([second, 'puppy_b-000000000000'], { booleans: { one: true } })))
})

void t.test(
  'previousSpec() returns the previous state, also when the next transaction did not take place',
  async (t) => {
    const host = createFakeHost()
    const write = async (spec: PolicySpec, observed: ObservedPolicy) =>
      writeGeneration(host, observed, planPolicy(spec, observed).changes)
    await t.rejects(previousSpec(host, observedStore()), nothingBefore)
    await write({ modules: { puppy_a: 'first' } }, observedStore())
    await t.rejects(previousSpec(host, observedStore()), nothingBefore, 'killed before the store was changed')
    const nothing = { modules: {}, remove: ['puppy_a'], booleans: {} }
    t.strictSame(await previousSpec(host, observedStore([first])), nothing)

    await write({ modules: { puppy_a: 'second' }, booleans: { one: true } }, observedStore([first]))
    t.strictSame(await previousSpec(host, observedStore([first])), nothing, 'the previous generation is kept')
    const after = observedStore([second], { booleans: { one: true } })
    t.strictSame(await previousSpec(host, after), {
      modules: { puppy_a: 'first' },
      remove: [],
      booleans: { one: 'default' },
    })
    await tidyGenerations(host, after)
    const names = [`${first}.cil`, `${second}.cil`, 'generations.json']
    t.strictSame(await host.list(generationsFolder('default')), names.toSorted())

    await write({ remove: ['puppy_a'] }, after)
    await tidyGenerations(host, observedStore([], { booleans: { one: true } }))
    t.strictSame(
      await host.list(generationsFolder('default')),
      names.toSorted(),
      'the texts that rollback needs are kept',
    )
    t.strictSame(await previousSpec(host, observedStore([], { booleans: { one: true } })), {
      modules: { puppy_a: 'second' },
      remove: [],
      booleans: {},
    })
    await host.replace(`${generationsFolder('default')}/${second}.cil`, 'changed by an operator')
    await t.rejects(previousSpec(host, observedStore([], { booleans: { one: true } })), {
      ...nothingBefore,
      message: /text of the previous module puppy_a-\w+ is missing or was changed/,
    })
  },
)

void t.test('parseGenerations() leaves out entries of another form', async (t) => {
  const good = { modules: [{ module: 'puppy_a', before: first }], booleans: [] }
  const bad = [
    { modules: [{ before: '../../etc/passwd' }], booleans: [] },
    { modules: [{ module: 'puppy_b', before: first }], booleans: [] },
    { modules: [{ module: 'puppy_a', before: '/etc/passwd' }], booleans: [] },
    { modules: [], booleans: [{ boolean: 'x', before: 1, after: true }] },
    { modules: {}, booleans: [] },
    null,
    7,
  ]
  t.strictSame(parseGenerations(JSON.stringify([...bad, good])), [good])
  for (const text of ['', '{', 'null', '{}', '"x"']) t.strictSame(parseGenerations(text), [])
  fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseGenerations(text))))
  fc.assert(fc.property(fc.json(), (text) => Array.isArray(parseGenerations(text))))
})

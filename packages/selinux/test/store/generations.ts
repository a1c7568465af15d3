import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import {
  generationOf,
  generationsFolder,
  parseGenerations,
  previousWish,
  stands,
  tidyGenerations,
  writeGeneration,
} from '../../src/store/generations.ts'
import { moduleName } from '../../src/store/modules.ts'
import { planPolicy, type PolicyWish } from '../../src/store/plan.ts'
import type { StoreObservation } from '../../src/store/observe.ts'
import { seenStore } from '../support/store.ts'

const [first, second] = [moduleName('puppy_a', 'first'), moduleName('puppy_a', 'second')]
const nothingBefore = { code: 'SELINUX_NO_PREVIOUS' }

void t.test('generationOf() says from what to what; mending is no generation', async (t) => {
  const wish: PolicyWish = { modules: { puppy_a: 'second' }, remove: ['puppy_b'], booleans: { one: true } }
  const { changes } = planPolicy(wish, seenStore([first, 'puppy_b-000000000000']))
  t.strictSame(generationOf(changes), {
    modules: [
      { module: 'puppy_b', before: 'puppy_b-000000000000' },
      { module: 'puppy_a', before: first, after: second },
    ],
    booleans: [{ boolean: 'one', before: 'default', after: true }],
  })
  t.equal(generationOf([{ action: 'rebuild', why: '/x' }]), undefined)
  t.equal(generationOf([{ action: 'enable', module: 'puppy_a', name: first }]), undefined)
})

void t.test('stands() is false as soon as somebody has changed what was made', async (t) => {
  const generation = {
    modules: [{ module: 'puppy_a', before: first, after: second }, { module: 'puppy_b' }],
    booleans: [{ boolean: 'one', before: 'default', after: true }],
  } as const
  t.ok(stands(generation, seenStore([second, 'theirs'], { booleans: { one: true } })))
  t.notOk(stands(generation, seenStore([second])))
  t.notOk(stands(generation, seenStore([first], { booleans: { one: true } })))
  t.notOk(stands(generation, seenStore([first, second], { booleans: { one: true } })))
  t.notOk(stands(generation, seenStore([second, 'puppy_b-000000000000'], { booleans: { one: true } })))
})

void t.test('previousWish() goes back, also when the next transaction did not take place', async (t) => {
  const host = createFakeHost()
  const write = async (wish: PolicyWish, seen: StoreObservation) =>
    writeGeneration(host, seen, planPolicy(wish, seen).changes)
  await t.rejects(previousWish(host, seenStore()), nothingBefore)
  await write({ modules: { puppy_a: 'first' } }, seenStore())
  await t.rejects(previousWish(host, seenStore()), nothingBefore, 'killed before the store was changed')
  const absent = { modules: {}, remove: ['puppy_a'], booleans: {} }
  t.strictSame(await previousWish(host, seenStore([first])), absent)

  await write({ modules: { puppy_a: 'second' }, booleans: { one: true } }, seenStore([first]))
  t.strictSame(await previousWish(host, seenStore([first])), absent, 'the one before is known')
  const after = seenStore([second], { booleans: { one: true } })
  t.strictSame(await previousWish(host, after), {
    modules: { puppy_a: 'first' },
    remove: [],
    booleans: { one: 'default' },
  })
  await tidyGenerations(host, after)
  const names = [`${first}.cil`, `${second}.cil`, 'generations.json']
  t.strictSame(await host.list(generationsFolder('default')), names.toSorted())

  await write({ remove: ['puppy_a'] }, after)
  await tidyGenerations(host, seenStore([], { booleans: { one: true } }))
  t.strictSame(await host.list(generationsFolder('default')), names.toSorted(), 'what the way back needs is kept')
  t.match(await previousWish(host, seenStore([], { booleans: { one: true } })), { modules: { puppy_a: 'second' } })
  await host.replace(`${generationsFolder('default')}/${second}.cil`, 'changed by somebody')
  await t.rejects(previousWish(host, seenStore([], { booleans: { one: true } })), {
    ...nothingBefore,
    message: /text of puppy_a-\w+ is not kept/,
  })
})

void t.test('parseGenerations() leaves away what it does not know', async (t) => {
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

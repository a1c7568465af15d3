import fc from 'fast-check'
import t from 'tap'
import { Value } from 'typebox/value'
import { PlanSpec } from '../src/plan-spec.ts'
import { schemaFault } from '../src/schema-fault.ts'
import { acceptedPlans, fullPlan, refusedPlans } from './support/plans.ts'

for (const [title, spec] of acceptedPlans) {
  void t.test(`schemaFault() finds no fault in ${title}`, async (t) => {
    t.equal(schemaFault(PlanSpec, spec), undefined)
  })
}

for (const [title, spec, [first]] of refusedPlans) {
  void t.test(`schemaFault() points at ${title}`, async (t) => {
    t.equal(schemaFault(PlanSpec, spec)?.pointer, first)
  })
}

void t.test('schemaFault() finds names of the prototype, numbers beyond JSON and deep values', async (t) => {
  const least = '"class": "production", "ports": 1, "domains": 0'
  for (const [text, pointer] of [
    [`{${least}, "__proto__": {}}`, '/__proto__'],
    [`{${least}, "constructor": 1}`, '/constructor'],
    [`{${least}, "cpu": {"__proto__": {"max": 1}}}`, '/cpu/__proto__'],
    [`{${least}, "memory": {"max": 1e999}}`, '/memory/max'],
    [`{${least}, "cpu": {"max": 1e999}}`, '/cpu/max'],
    [`{"class": "production", "domains": 0, "ports": ${'['.repeat(5000)}${']'.repeat(5000)}}`, '/ports'],
    [`{${least}, "\\ud800": 1}`, '/\uFFFD'],
  ] as const) {
    t.equal(schemaFault(PlanSpec, JSON.parse(text))?.pointer, pointer)
  }
  t.equal(schemaFault(PlanSpec, { ...fullPlan, cpu: { max: Number.NaN } })?.pointer, '/cpu/max')
})

void t.test('schemaFault() accepts what typebox accepts', async (t) => {
  const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 1, 8, 9, 0.01, 2 ** 53 - 1, 2 ** 53))
  const value = fc.oneof(number, fc.string(), fc.constant(null), fc.boolean(), fc.constant([]), fc.constant({}))
  /** A valid value nine times out of ten. */
  const mostly = (valid: unknown) => fc.oneof({ arbitrary: fc.constant(valid), weight: 9 }, value)
  const limits = (valid: object) =>
    fc.oneof(
      {
        arbitrary: fc.record(Object.fromEntries(Object.entries(valid).map(([key, one]) => [key, mostly(one)]))),
        weight: 9,
      },
      value,
    )
  const { cpu, memory, pids, io, disk } = fullPlan
  const spec = fc.record(
    {
      class: mostly('production'),
      ports: fc.integer({ min: 0, max: 9 }),
      domains: mostly(3),
      egress: mostly('local'),
      cpu: limits(cpu),
      memory: limits(memory),
      pids: limits(pids),
      io: limits(io),
      disk: limits(disk),
    },
    { requiredKeys: ['class', 'ports'] },
  )
  let accepted = 0
  fc.assert(
    fc.property(fc.oneof(spec, value), (one) => {
      const matches = schemaFault(PlanSpec, one) === undefined
      if (matches) accepted += 1
      return matches === Value.Check(PlanSpec, one)
    }),
    { numRuns: 5000 },
  )
  t.ok(accepted > 100 && accepted < 4000, `${accepted} of 5000 are valid`)
})

void t.test('schemaFault() refuses a schema with a keyword that it does not know', async (t) => {
  t.throws(() => schemaFault({ type: 'string', pattern: '^a$' }, 'a'), {
    name: 'TypeError',
    message: 'Cannot check the keyword "pattern" of a schema',
  })
})

import { faultsOf, limitsWith, limitTable, type LimitValue } from '@puppy/cgroups/limits'
import t from 'tap'
import { Value } from 'typebox/value'
import { limitsOf, planLimits, PlanSpec } from '../src/plan-spec.ts'
import { acceptedPlans, fullPlan, refusedPlans } from './support/plans.ts'

/** Returns each pointer once. An unknown field is a fault of the object and of the field. */
const pointers = (spec: unknown) => [...new Set(Value.Errors(PlanSpec, spec).flatMap(pointersOf))]

function pointersOf({ keyword, instancePath, params }: ReturnType<typeof Value.Errors>[number]): readonly string[] {
  if (keyword === 'required') return params.requiredProperties.map((name) => `${instancePath}/${name}`)
  if (keyword === 'additionalProperties') return params.additionalProperties.map((name) => `${instancePath}/${name}`)
  return [instancePath]
}

for (const [title, spec] of acceptedPlans) {
  void t.test(`PlanSpec accepts ${title}`, (t) => {
    t.same(pointers(spec), [])
    t.end()
  })
}

for (const [title, spec, expected] of refusedPlans) {
  void t.test(`PlanSpec refuses ${title}`, (t) => {
    t.same(pointers(spec), expected)
    t.end()
  })
}

void t.test('limitsOf() returns only limits of processes that the plan has', async (t) => {
  const memory = { max: 4096 }
  const spec = { class: 'production', memory, disk: { bytes: 1 }, ports: 1, domains: 0 } as const
  t.strictSame(limitsOf(spec), { memory })
})

void t.test('planLimits have properties of systemd, and their schemas accept the same values as cgroups', async (t) => {
  t.ok(planLimits.includes('memory.max'))
  for (const name of planLimits) {
    const { property, schema, path } = limitTable[name]
    t.ok(property, `systemd has a property for ${name}`)
    if (schema.type !== 'integer' && schema.type !== 'number') throw new Error(`${name} is not a number`)
    const lowest = schema.type === 'integer' ? schema.minimum : schema.exclusiveMinimum + 0.01
    const accepts = (value: LimitValue) => {
      const limits = limitsWith(name, value)
      const valid = faultsOf(limits).length === 0
      const expected = valid ? [] : [`/${path.join('/')}`]
      t.strictSame(pointers({ class: 'production', ports: 1, domains: 0, ...limits }), expected, `${name} ${value}`)
      return valid
    }
    t.strictSame([lowest, schema.maximum].map(accepts), [true, true])
    t.strictSame([lowest - 1, schema.maximum + 1, '1', true].map(accepts), [false, false, false, false])
  }
})

void t.test('fullPlan has every limit', async (t) => {
  const keys = Object.entries(limitsOf(fullPlan)).flatMap(([controller, limits]) =>
    Object.keys(limits).map((key) => `${controller}.${key}`),
  )
  t.strictSame(keys.toSorted(), planLimits.toSorted())
})

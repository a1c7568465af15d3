import t from 'tap'
import { Value } from 'typebox/value'
import { PlanSpec } from '../src/plan-spec.ts'
import { acceptedPlans, refusedPlans } from './support/plans.ts'

/** Each once: a field that there is not is a fault of the object and of the field. */
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

import { PlanSpec } from '@puppy/state/plan-spec'
import { acceptedPlans, refusedPlans } from '@puppy/state/testing'
import t from 'tap'
import { createValidator, faultsOf } from '../src/plugins/validation.ts'

const validate = createValidator([])({ schema: PlanSpec, httpPart: 'body' })
const pointers = (spec: unknown) =>
  validate(spec) ? [] : faultsOf(validate.errors ?? []).map(({ pointer }) => pointer)

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

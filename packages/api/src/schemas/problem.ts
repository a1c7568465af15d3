import type { Static } from 'typebox'
import { Type } from '@puppy/state/schema'

/** RFC 9457. */
export const Problem = Type.Object(
  {
    type: Type.String({ format: 'uri-reference', description: 'Where the code is explained.' }),
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    code: Type.String({ description: 'Stable, lower_snake; match on this.' }),
    detail: Type.String({ description: 'What happened and what would help, for a person.' }),
    requestId: Type.String(),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.String({ description: 'JSON pointer into the body, or the name of a parameter.' }),
          detail: Type.String(),
        }),
      ),
    ),
  },
  { $id: 'Problem', description: 'What went wrong, as application/problem+json.' },
)
export type Problem = Static<typeof Problem>

/** The answers that every route may give beside its own. */
export const problems = {
  '4XX': {
    description: 'Refused; nothing was changed.',
    content: { 'application/problem+json': { schema: Type.Ref('Problem') } },
  },
  '5XX': {
    description: 'Failed; try again.',
    content: { 'application/problem+json': { schema: Type.Ref('Problem') } },
  },
}

import type { Static } from 'typebox'
import { Type } from '@puppy/state/schema'

export const Problem = Type.Object(
  {
    type: Type.String({ format: 'uri-reference', description: 'The page that explains the code.' }),
    title: Type.String({ description: 'The HTTP status in words.' }),
    status: Type.Integer({ minimum: 400, maximum: 599, description: 'The HTTP status.' }),
    code: Type.String({ description: 'A stable code in lower_snake. Match on this field.' }),
    detail: Type.String({ description: 'What failed, why, and what to do, for people.' }),
    requestId: Type.String({ description: 'The id under which the log of the API has the request.' }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.String({ description: 'A JSON pointer (RFC 6901) into the body, or the name of a parameter.' }),
          detail: Type.String({ description: 'What is wrong with the value.' }),
        }),
        { description: 'The faults of the request, 20 at most for an invalid body, path, query or header.' },
      ),
    ),
  },
  { $id: 'Problem', description: 'An error, as application/problem+json (RFC 9457).' },
)
export type Problem = Static<typeof Problem>

/** The error responses of every route. */
export const problems = {
  '4XX': {
    description: 'The request was refused, and nothing was changed.',
    content: { 'application/problem+json': { schema: Type.Ref('Problem') } },
  },
  '5XX': {
    description: 'The request failed. Try again.',
    content: { 'application/problem+json': { schema: Type.Ref('Problem') } },
  },
}

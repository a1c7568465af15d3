import type { Static } from 'typebox'
import { Type } from '@puppy/state/schema'

const slugPattern = '^[a-z][a-z0-9-]{0,62}$'
/** Neither control characters, which no database, header or file takes well, nor halves of surrogate pairs. */
export const plainPattern = '^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$'
/** What nobody asked for is refused: a misspelt `reseller` must not mean one's own. */
export const strict = { additionalProperties: false }
export const Slug = (description: string) => Type.String({ pattern: slugPattern, description })
export const Time = (description: string) => Type.String({ format: 'date-time', description })
export const Count = (description: string) =>
  Type.Integer({ format: 'int64', minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })
export const choice = <const Words extends readonly string[]>(words: Words, description: string) =>
  Type.Unsafe<Words[number]>({ type: 'string', enum: words, description })

export const Condition = Type.Object(
  {
    type: Type.String({ description: 'The facility that says it.' }),
    status: choice(['true', 'false', 'unknown'], 'Unknown while nothing was done about it, as in a dry run.'),
    reason: Type.String({ description: 'One word, lower_snake.' }),
    message: Type.Optional(Type.String()),
    at: Time('When status or reason last changed.'),
  },
  { $id: 'Condition', description: 'What one facility says of one thing.' },
)

/** What every resource with a spec has: which generation of it was observed, and whether it is in effect. */
export const observed = {
  generation: Count('Grows with every change of the spec.'),
  observedGeneration: Count('The newest generation of the spec that the host has observed, whatever it found.'),
  ready: Type.Boolean({ description: 'Every facility of the host applied the newest spec.' }),
  missing: Type.Array(Type.String(), { description: 'Isolation layers that this host does not have.' }),
  conditions: Type.Array(Type.Ref('Condition')),
}

export const nextCursor = Type.Optional(
  Type.String({ description: 'Give it as `cursor` for the next page; absent at the end.' }),
)

export const pageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100, description: 'How many at most.' })),
  cursor: Type.Optional(Type.String({ maxLength: 512, description: 'From `nextCursor` of the page before.' })),
}

/** The query of a list as its route gets it: validation has put in the limit where it was left out. */
export type Listing<Query extends { readonly limit?: number }> = Query & { readonly limit: number }

export const resellerQuery = {
  reseller: Type.Optional(Type.String({ pattern: slugPattern, description: 'Whose; only an admin may name another.' })),
}

export const preferHeader = Type.Object({
  prefer: Type.Optional(
    Type.String({
      maxLength: 200,
      description: '`wait=N` seconds (0 to 60, default 10), or `respond-async` (RFC 7240).',
    }),
  ),
})
export type PreferHeader = Static<typeof preferHeader>

import type { Static } from 'typebox'
import { Type } from '@puppy/state/schema'

const slugPattern = '^[a-z][a-z0-9-]{0,62}$'
/** Excludes control characters, which databases, headers and files do not accept, and unpaired surrogates. */
export const plainPattern = '^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$'
/** Refuses unknown names: a misspelt `reseller` must not select the caller's own reseller. */
export const strict = { additionalProperties: false }
export const Slug = (description: string) => Type.String({ pattern: slugPattern, description })
export const Time = (description: string) => Type.String({ format: 'date-time', description })
export const Count = (description: string) =>
  Type.Integer({ format: 'int64', minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })
export const choice = <const Words extends readonly string[]>(words: Words, description: string) =>
  Type.Unsafe<Words[number]>({ type: 'string', enum: words, description })

/** Returns a choice of words whose description explains each word. */
export const explained = <Word extends string>(description: string, meanings: Readonly<Record<Word, string>>) => {
  const sentences = Object.entries<string>(meanings).map(([word, meaning]) => `\`${word}\`: ${meaning}.`)
  return choice(Object.keys(meanings) as Word[], [description, ...sentences].join(' '))
}

export const Condition = Type.Object(
  {
    type: Type.String({ description: 'The facility that reports the condition, such as `accounts` or `haproxy`.' }),
    status: choice(
      ['true', 'false', 'unknown'],
      'Whether the facility has applied the spec. `unknown`: it has not tried to, for instance in a dry run.',
    ),
    reason: Type.String({ description: 'Why the status has its value: one word in lower_snake, for programs.' }),
    message: Type.Optional(Type.String({ description: 'A sentence for people. Only an admin key receives it.' })),
    at: Time('When `status` or `reason` last changed.'),
  },
  { $id: 'Condition', description: 'What one facility reports about one account, domain or host.' },
)

export const listener = Type.Optional(
  explained('What was last observed on the port. Absent: not observed yet.', {
    listening: 'a server listens on 127.0.0.1 or on all addresses',
    nobody: 'no process listens',
    wrong_address: 'a server listens only on other addresses, which the proxy does not use',
  }),
)

/** The fields of every resource with a spec: which generation the host has observed, and whether it is in effect. */
export const observed = {
  generation: Count('Increases with every change of the spec.'),
  observedGeneration: Count('The newest generation of the spec that the host has observed, with success or not.'),
  ready: Type.Boolean({
    description:
      'Whether every facility that works on the host has applied the newest spec. `missing` lists the isolation layers that do not.',
  }),
  missing: Type.Array(Type.String(), { description: 'The isolation layers that the host does not have.' }),
  conditions: Type.Array(Type.Ref('Condition'), { description: 'One entry for each facility that has reported.' }),
}

export const nextCursor = Type.Optional(
  Type.String({ description: 'Send it as `cursor` to get the next page. Absent on the last page.' }),
)

export const pageQuery = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 500, default: 100, description: 'The maximum number of entries of a page.' }),
  ),
  cursor: Type.Optional(
    Type.String({ maxLength: 512, description: 'The `nextCursor` of the previous page. Absent: the first page.' }),
  ),
}

/** The query of a list as its route receives it. Validation has set `limit` to its default where it was absent. */
export type Listing<Query extends { readonly limit?: number }> = Query & { readonly limit: number }

export const resellerQuery = {
  reseller: Type.Optional(
    Type.String({
      pattern: slugPattern,
      description:
        'The reseller that owns the resource. Only an admin key may name another reseller. Absent: the reseller of the key.',
    }),
  ),
}

export const preferHeader = Type.Object({
  prefer: Type.Optional(
    Type.String({
      maxLength: 200,
      description:
        'How long the response waits until the host has observed the write (RFC 7240): `wait=N` seconds, from 0 to 60, ' +
        'default 10. `respond-async` does not wait.',
    }),
  ),
})
export type PreferHeader = Static<typeof preferHeader>

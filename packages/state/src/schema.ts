import type { Type as Typebox } from 'typebox'

type Schema = Readonly<Record<string, unknown>>
type Options = Readonly<Record<string, unknown>>

/** The schemas of properties that may be absent. As with typebox, this mark is not in the JSON, and a copy does not have it. */
const optional = new WeakSet<object>()

const simple =
  (type: string) =>
  (options: Options = {}) => ({ type, ...options })

const builders = {
  Array: (items: Schema, options: Options = {}) => ({ type: 'array', items, ...options }),
  Boolean: simple('boolean'),
  Integer: simple('integer'),
  Null: simple('null'),
  Number: simple('number'),
  Object: (properties: Readonly<Record<string, Schema>>, options: Options = {}) => {
    const required = Object.keys(properties).filter((name) => !optional.has(properties[name] ?? {}))
    return { type: 'object', ...(required.length === 0 ? {} : { required }), properties, ...options }
  },
  Optional: (schema: Schema) => {
    const copy = { ...schema }
    optional.add(copy)
    return copy
  },
  Record: (key: { readonly pattern?: string }, value: Schema, options: Options = {}) => ({
    type: 'object',
    patternProperties: { [key.pattern ?? '^.*$']: value },
    ...options,
  }),
  Ref: ($ref: string, options: Options = {}) => ({ $ref, ...options }),
  String: simple('string'),
  Unsafe: (schema: Schema) => schema,
}

/**
 * Makes JSON schemas, and their types by `Static` of typebox. It is the part of typebox's `Type` that Puppy uses, with the same types and
 * the same schemas.
 *
 * typebox itself has seven hundred files, which take 6 MB of memory and half of the time that the API needs to load.
 */
export const Type = builders as unknown as Pick<typeof Typebox, keyof typeof builders>

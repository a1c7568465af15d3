import type { Type as Typebox } from 'typebox'

type Schema = Readonly<Record<string, unknown>>
type Options = Readonly<Record<string, unknown>>

/** Marks a property that may be absent; not in JSON, and lost with a copy, as typebox's own mark is. */
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
 * Makes JSON schemas, and their types by `Static` of typebox: the part of its `Type` that we use, with its types and the same schemas.
 *
 * typebox itself is seven hundred files, which take 6 MB of memory and half of the time that the API needs to load.
 */
export const Type = builders as unknown as Pick<typeof Typebox, keyof typeof builders>

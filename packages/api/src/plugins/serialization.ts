import type { AnySchema } from 'ajv'
import fastJson, { type ObjectSchema, type Schema } from 'fast-json-stringify'

/**
 * Returns a serializer compiler that compiles a schema when the first response with it is sent.
 *
 * A route has a schema for each status, and most of them are errors that it never returns. Compiling all of them would take most of the
 * start of the service, and their code would stay in memory.
 *
 * @param shared the schemas that other schemas refer to by their `$id`
 */
export function createSerializer(
  shared: readonly AnySchema[],
): (route: { readonly schema: Schema }) => (reply: unknown) => string {
  const schemas = Object.fromEntries(shared.map((schema) => [(schema as ObjectSchema).$id, schema as Schema]))
  return ({ schema }) => {
    let serialize: ((reply: unknown) => string) | undefined
    return (reply) => (serialize ??= fastJson(schema, { schema: schemas }))(reply)
  }
}

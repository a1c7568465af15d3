import type { AnySchema } from 'ajv'
import fastJson, { type ObjectSchema, type Schema } from 'fast-json-stringify'

/**
 * Returns a compiler of serializers that compiles a schema when its first reply is written.
 *
 * A route has a schema for each status, and most of them are errors that it never returns. Compiling all of them takes most of the time in which
 * the service starts, and their code stays in memory.
 *
 * @param shared the schemas that others refer to, by their `$id`
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

type Json = Readonly<Record<string, unknown>>

/** An invalid part of a value: its JSON pointer, `/memory/max`, and what it must be. */
export interface SchemaFault {
  readonly pointer: string
  readonly detail: string
}

/**
 * Returns the first fault of a value that does not match a schema, or undefined when it matches. Accepts any value, such as one from a
 * database, and never throws. Pure.
 *
 * It is the part of JSON Schema that `PlanSpec` uses: objects, numbers, integers and texts with their bounds. A validator that compiles
 * schemas takes more memory than the whole agent has to spare, and runs code that it makes.
 *
 * @throws TypeError for a schema with a keyword that it does not know.
 */
export function schemaFault(schema: object, value: unknown, pointer = ''): SchemaFault | undefined {
  const of = schema as Json
  const unknown = Object.keys(of).find((keyword) => !keywords.has(keyword))
  if (unknown !== undefined) throw new TypeError(`Cannot check the keyword "${unknown}" of a schema`)
  const detail = faultOf(of, value)
  if (detail !== undefined) return { pointer, detail }
  return of['type'] === 'object' ? propertyFault(of, value as Json, pointer) : undefined
}

const keywords = new Set([
  '$id',
  'additionalProperties',
  'description',
  'enum',
  'exclusiveMinimum',
  'maximum',
  'minimum',
  'properties',
  'required',
  'type',
])

function faultOf(schema: Json, value: unknown): string | undefined {
  const { type, enum: words, minimum, maximum, exclusiveMinimum } = schema
  if (type === 'object') return isObject(value) ? undefined : 'must be an object'
  if (Array.isArray(words)) return words.includes(value) ? undefined : `must be one of: ${words.join(', ')}`
  if (type === 'string') return typeof value === 'string' ? undefined : 'must be a text'
  if (typeof value !== 'number' || !Number.isFinite(value)) return 'must be a number'
  if (type === 'integer' && !Number.isInteger(value)) return 'must be a whole number'
  if (typeof minimum === 'number' && value < minimum) return `must be at least ${minimum}`
  if (typeof exclusiveMinimum === 'number' && value <= exclusiveMinimum) return `must be above ${exclusiveMinimum}`
  return typeof maximum === 'number' && value > maximum ? `must be at most ${maximum}` : undefined
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reads only own properties: a value may have one that is named `__proto__` or `constructor`. */
function propertyFault(schema: Json, value: Json, pointer: string): SchemaFault | undefined {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Json>>
  const required = (schema['required'] ?? []) as readonly string[]
  const missing = required.find((name) => !Object.hasOwn(value, name))
  if (missing !== undefined) return { pointer: `${pointer}/${missing}`, detail: 'is missing' }
  for (const name of Object.keys(value)) {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (known === undefined) {
      if (schema['additionalProperties'] === false)
        return { pointer: `${pointer}/${shown(name)}`, detail: 'is not known' }
      continue
    }
    const fault = schemaFault(known, value[name], `${pointer}/${name}`)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** A name of the value itself, safe in a message. */
function shown(name: string): string {
  return JSON.stringify(name.slice(0, 50).toWellFormed()).slice(1, -1)
}

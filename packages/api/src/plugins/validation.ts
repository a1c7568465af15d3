import { Ajv, type AnySchema, type ValidateFunction } from 'ajv'
import type { Fault } from '../errors.ts'

const formats = { 'date-time': true, int64: true, 'uri-reference': true } as const
const settings = {
  allErrors: true,
  removeAdditional: false,
  strict: true,
  strictTypes: false,
  allowUnionTypes: true,
  formats,
} as const

/** The part of a request that a schema is for. */
interface Route {
  readonly schema: AnySchema
  readonly httpPart?: string
}

/**
 * Bodies are taken as they are or refused: nothing is coerced, dropped or defaulted, because `{"max": null}` must not
 * become 0. Query, path and headers are text by nature, so there numbers are read out of it.
 */
export function createValidator(shared: readonly AnySchema[]): (route: Route) => ValidateFunction {
  const exact = new Ajv({ ...settings, coerceTypes: false, useDefaults: false })
  // Ajv reads Infinity out of text, and its strict numbers would then pass over minimum and maximum.
  const lenient = new Ajv({ ...settings, coerceTypes: true, useDefaults: true, strictNumbers: false })
  for (const schema of shared) {
    exact.addSchema(schema)
    lenient.addSchema(schema)
  }
  return ({ schema, httpPart }) => (httpPart === 'body' ? exact : lenient).compile(schema)
}

interface SchemaFault {
  readonly instancePath: string
  readonly keyword: string
  readonly message?: string
  readonly params: Readonly<Record<string, unknown>>
}

/** What Ajv found, as a pointer and a sentence each; twenty at most, so an answer stays short. */
export function faultsOf(errors: readonly SchemaFault[]): readonly Fault[] {
  return errors.slice(0, 20).map(({ instancePath, keyword, message = 'is not valid', params }) => {
    const extra = params['additionalProperty'] ?? params['missingProperty']
    const pointer = typeof extra === 'string' ? `${instancePath}/${escapePointer(extra)}` : instancePath
    if (keyword === 'additionalProperties') return { pointer, detail: 'is not an allowed name' }
    if (keyword === 'required') return { pointer, detail: 'is required' }
    const allowed = params['allowedValues']
    return { pointer, detail: Array.isArray(allowed) ? `${message}: ${allowed.join(', ')}` : message }
  })
}

function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1').slice(0, 200)
}

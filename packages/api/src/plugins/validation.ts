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

/** A schema and the part of a request that it is for. */
interface Route {
  readonly schema: AnySchema
  readonly httpPart?: string
}

/**
 * Returns a validator compiler.
 *
 * It accepts or refuses a body without changing it: it does not coerce, drop or default values, because `{"max": null}` must not become 0.
 * Query, path and headers are text, so it parses numbers there and sets defaults.
 */
export function createValidator(shared: readonly AnySchema[]): (route: Route) => ValidateFunction {
  const exact = new Ajv({ ...settings, coerceTypes: false, useDefaults: false })
  // Ajv parses Infinity from text, and with strict numbers it would then skip minimum and maximum.
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

/** Returns the faults that Ajv found, each as a pointer and a detail. At most twenty, to keep a response short. */
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

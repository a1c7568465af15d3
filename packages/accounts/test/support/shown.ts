import type { AccountError } from '../../src/errors.ts'

/** Shows a result for a comparison: its error as its code, its reason and its message. */
export function shown<Result extends { readonly error?: AccountError }>(result: Result): object {
  const { error, ...rest } = result
  if (error === undefined) return rest
  const { reason } = error.facts
  return { ...rest, code: error.code, ...(reason === undefined ? {} : { reason }), message: error.message }
}

import type { AccountError } from '../../src/errors.ts'

/** Replaces the error of a result by its code, reason and message, for comparisons. */
export function shown<Result extends { readonly error?: AccountError }>(result: Result): object {
  const { error, ...rest } = result
  if (error === undefined) return rest
  const { reason } = error.facts
  return { ...rest, code: error.code, ...(reason === undefined ? {} : { reason }), message: error.message }
}

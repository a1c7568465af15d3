import type { Test } from 'tap'

/**
 * Asserts as `t.match()` does, and also that every list, set and map has the size of that in the pattern. `t.match()` itself ignores
 * elements after the end of a list in the pattern.
 */
export function matchWhole(t: Test, actual: unknown, pattern: unknown, title?: string): void {
  t.strictSame(surplusOf(actual, pattern, 'it'), [], `${title ?? 'should match'}: nothing more`)
  t.match(actual, pattern, title ?? 'should match')
}

/** Returns one sentence for each place where the size differs from the pattern. */
export function surplusOf(actual: unknown, pattern: unknown, at: string): readonly string[] {
  if (Array.isArray(pattern)) {
    if (!Array.isArray(actual)) return [`${at} is not a list`]
    if (actual.length !== pattern.length) return [`${at} has ${actual.length} elements, not ${pattern.length}`]
    return pattern.flatMap((part, index) => surplusOf(actual[index], part, `${at}[${index}]`))
  }
  if (pattern instanceof Set || pattern instanceof Map) {
    const size = actual instanceof Set || actual instanceof Map ? actual.size : undefined
    if (size !== pattern.size) return [`${at} has ${size ?? 'no'} elements, not ${pattern.size}`]
    if (!(pattern instanceof Map) || !(actual instanceof Map)) return []
    return [...pattern].flatMap(([key, part]) => surplusOf(actual.get(key), part, `${at}.${String(key)}`))
  }
  if (pattern === null || typeof pattern !== 'object' || pattern instanceof RegExp) return []
  if (actual === null || typeof actual !== 'object') return []
  return Object.entries(pattern).flatMap(([key, part]) =>
    surplusOf((actual as Readonly<Record<string, unknown>>)[key], part, `${at}.${key}`),
  )
}

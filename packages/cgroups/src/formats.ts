/**
 * Reads a file of the kernel's kind "flat keyed"; a line of another form is left out.
 *
 * ```text
 *   usage_usec 1913062
 *   nr_throttled 0
 * ```
 */
export function parseFlatKeyed(text: string): ReadonlyMap<string, bigint> {
  const values = new Map<string, bigint>()
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ')
    const value = space > 0 ? parseCount(line.slice(space + 1)) : undefined
    if (value !== undefined) values.set(line.slice(0, space), value)
  }
  return values
}

/**
 * Reads a file of the kernel's kind "nested keyed"; pairs of another form are left out.
 *
 * ```text
 *   254:0 rbytes=1953792 wbytes=0 rios=53
 * ```
 */
export function parseNestedKeyed(text: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const rows = text.split('\n').flatMap((line): [string, Map<string, string>][] => {
    const [key = '', ...pairs] = line.trim().split(/\s+/)
    if (key === '') return []
    const values = pairs.flatMap((pair): [string, string][] => {
      const equals = pair.indexOf('=')
      return equals < 1 || equals === pair.length - 1 ? [] : [[pair.slice(0, equals), pair.slice(equals + 1)]]
    })
    return [[key, new Map(values)]]
  })
  return new Map(rows)
}

/** A counter of 64 bits. One below zero, which kernels have shown for a moment, is 0; anything else is undefined. */
export function parseCount(text: string): bigint | undefined {
  const trimmed = text.trim()
  if (/^\d{1,20}$/.test(trimmed)) return BigInt(trimmed)
  return /^-\d{1,20}$/.test(trimmed) ? 0n : undefined
}

/** A limit: a whole number, or `max`. A number that is too large to be exact is as good as `max`. */
export function parseLimit(text: string): number | 'max' | undefined {
  if (text.trim() === 'max') return 'max'
  const count = parseCount(text)
  if (count === undefined) return undefined
  return count > BigInt(Number.MAX_SAFE_INTEGER) ? 'max' : Number(count)
}

/**
 * Reads a list of cpus or memory nodes, `0-2,5`; undefined for what is none. Empty is the empty list.
 *
 * @see cpuset(7), "List format"
 */
export function parseNumbers(text: string): readonly number[] | undefined {
  const numbers = new Set<number>()
  if (text.trim() === '') return []
  for (const part of text.trim().split(',')) {
    const [, first = '', , last = first] = /^(\d{1,5})(-(\d{1,5}))?$/.exec(part) ?? []
    if (first === '' || Number(last) < Number(first)) return undefined
    for (let number = Number(first); number <= Number(last); number += 1) numbers.add(number)
  }
  return [...numbers].toSorted((one, other) => one - other)
}

/** Writes numbers as the kernel does: sorted, once each, neighbours joined to ranges. */
export function renderNumbers(numbers: readonly number[]): string {
  const sorted = [...new Set(numbers)].toSorted((one, other) => one - other)
  const ranges: [number, number][] = []
  for (const number of sorted) {
    const range = ranges.at(-1)
    if (range !== undefined && range[1] === number - 1) range[1] = number
    else ranges.push([number, number])
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',')
}

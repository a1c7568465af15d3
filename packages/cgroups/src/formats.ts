/**
 * Parses a kernel file of the kind "flat keyed". Omits lines of another form.
 *
 * ```text
 *   usage_usec 1913062
 *   nr_throttled 0
 * ```
 */
export function parseFlatKeyed(text: string): ReadonlyMap<string, bigint> {
  const values = new Map<string, bigint>()
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline
    const space = text.indexOf(' ', at)
    const value = space > at && space < end ? parseCount(text.slice(space + 1, end)) : undefined
    if (value !== undefined) values.set(text.slice(at, space), value)
    at = end + 1
  }
  return values
}

/**
 * Parses a kernel file of the kind "nested keyed". Omits pairs of another form.
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

/** Parses a 64-bit counter. Returns 0 for a negative number, which kernels have shown for a moment, and undefined for other texts. */
export function parseCount(text: string): bigint | undefined {
  const trimmed = text.trim()
  const small = smallCount(trimmed)
  if (small !== undefined) return BigInt(small)
  if (/^\d{1,20}$/.test(trimmed)) return BigInt(trimmed)
  return /^-\d{1,20}$/.test(trimmed) ? 0n : undefined
}

/** Parses a counter of up to 15 digits, which is exact as a number. Most counters are, and many are read at a time. */
function smallCount(text: string): number | undefined {
  if (text === '' || text.length > 15) return undefined
  let value = 0
  for (let index = 0; index < text.length; index += 1) {
    const digit = text.charCodeAt(index) - 48
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value
}

/** Parses a limit: a whole number or `max`. Returns `max` for a number that is too large to be exact. */
export function parseLimit(text: string): number | 'max' | undefined {
  if (text.trim() === 'max') return 'max'
  const count = parseCount(text)
  if (count === undefined) return undefined
  return count > BigInt(Number.MAX_SAFE_INTEGER) ? 'max' : Number(count)
}

/**
 * Parses a list of cpus or memory nodes, such as `0-2,5`. Returns undefined when the text is not a list. An empty text is an empty list.
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

/** Renders numbers as the kernel does: sorted, each once, consecutive numbers joined to ranges. */
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

import { runsOf } from './category-runs.ts'
import { SelinuxError } from './errors.ts'

/** A sensitivity and a set of categories: `s0:c1,c5` is `{ sensitivity: 0, categories: [1, 5] }`. */
export interface Level {
  readonly sensitivity: number
  /** In ascending order, without duplicates. */
  readonly categories: readonly number[]
}

/** A range of levels. For a single level, `low` and `high` are equal. */
export interface LevelRange {
  readonly low: Level
  readonly high: Level
}

/** The categories that policies define: `c0` to `c1023`. */
const categoryCount = 1024

/** The level with every category. A level that lacks a category does not dominate it. */
export const everyCategory: Level = Object.freeze({
  sensitivity: 0,
  categories: Object.freeze(Array.from({ length: categoryCount }, (_, category) => category)),
})

/** Returns a level. @throws RangeError for a sensitivity or category that is not a whole number or is out of range. */
export function levelOf(categories: Iterable<number>, sensitivity = 0): Level {
  const sorted = [...new Set(categories)].toSorted((one, other) => one - other)
  const wrong = sorted.find((category) => !isNumberBelow(category, categoryCount))
  if (wrong !== undefined)
    throw new RangeError(`Category ${wrong} does not exist: categories are 0 to ${categoryCount - 1}`)
  if (!isNumberBelow(sensitivity, 16))
    throw new RangeError(`Sensitivity ${sensitivity} does not exist: sensitivities are 0 to 15`)
  return Object.freeze({ sensitivity, categories: Object.freeze(sorted) })
}

function isNumberBelow(value: number, limit: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < limit
}

/**
 * Parses a level, such as `s0`, `s0:c1,c5` or `s0:c0.c3,c9`. Categories may be in any order, and `c3.c4` equals `c3,c4`.
 *
 * Names that mcstransd assigns to levels are not accepted. Files and the kernel have levels without names.
 *
 * @throws SelinuxError `SELINUX_INVALID`.
 */
export function parseLevel(text: string): Level {
  const [, sensitivity, list] = /^s(\d{1,2})(?::([c\d.,]{1,10000}))?$/.exec(text) ?? []
  if (sensitivity === undefined) throw invalid(text, 'a level has the form s0 or s0:c1,c5')
  const categories = (list?.split(',') ?? []).flatMap((word) => {
    const [, first, last = first] = /^c(\d{1,4})(?:\.c(\d{1,4}))?$/.exec(word) ?? []
    if (first === undefined || last === undefined)
      throw invalid(text, `"${word}" is not a category or a range of categories`)
    const length = Number(last) - Number(first) + 1
    if (length < 1 || Number(last) >= categoryCount) {
      throw invalid(text, `"${word}" is in descending order or above c1023`)
    }
    return Array.from({ length }, (_, index) => Number(first) + index)
  })
  if (Number(sensitivity) > 15) throw invalid(text, 'sensitivities are s0 to s15')
  return levelOf(categories, Number(sensitivity))
}

/** Renders a level in the form of the kernel: in ascending order, two consecutive categories as `c3,c4`, three or more as `c3.c5`. */
export function renderLevel(level: Level): string {
  const runs = runsOf(level.categories).map(([first, last]) => {
    if (first === last) return `c${first}`
    return last === first + 1 ? `c${first},c${last}` : `c${first}.c${last}`
  })
  return runs.length === 0 ? `s${level.sensitivity}` : `s${level.sensitivity}:${runs.join(',')}`
}

/**
 * Parses a range, `s0-s0:c0.c1023`, or a single level, `s0:c1,c5`.
 *
 * @throws SelinuxError `SELINUX_INVALID`, also when the high level does not dominate the low level.
 */
export function parseRange(text: string): LevelRange {
  const [low = '', high = low, ...rest] = text.split('-')
  if (rest.length > 0) throw invalid(text, 'a range has at most one dash')
  const range = { low: parseLevel(low), high: parseLevel(high) }
  if (!dominates(range.high, range.low)) throw invalid(text, 'the high level does not dominate the low level')
  return range
}

/** Renders a range. A single level is written once. */
export function renderRange({ low, high }: LevelRange): string {
  return sameLevel(low, high) ? renderLevel(low) : `${renderLevel(low)}-${renderLevel(high)}`
}

/** Returns the range of a single level. */
export function singleLevel(level: Level): LevelRange {
  return Object.freeze({ low: level, high: level })
}

/** Returns whether two levels have the same sensitivity and categories. */
export function sameLevel(one: Level, other: Level): boolean {
  return dominates(one, other) && dominates(other, one)
}

/** Returns whether a level has at least the sensitivity and all the categories of another. */
export function dominates(one: Level, other: Level): boolean {
  const own = new Set(one.categories)
  return one.sensitivity >= other.sensitivity && other.categories.every((category) => own.has(category))
}

/** Returns the highest level that both levels dominate. */
export function intersect(one: Level, other: Level): Level {
  const own = new Set(one.categories)
  return levelOf(
    other.categories.filter((category) => own.has(category)),
    Math.min(one.sensitivity, other.sensitivity),
  )
}

export interface PairOptions {
  /** The first category that pairs may contain. Default 0. */
  readonly first?: number
}

/** Returns the number of pairs: 523,776 of all 1,024 categories. */
export function pairCount({ first = 0 }: PairOptions = {}): number {
  const categories = categoryCount - first
  return (categories * (categories - 1)) / 2
}

/**
 * Returns the `n`-th pair of distinct categories as a level: `s0:c0,c1`, `s0:c0,c2`, `s0:c1,c2`, `s0:c0,c3`, …
 *
 * A number always has the same pair. No pair dominates another. Pairs of low categories come first: 2,816 slots need only the first 76
 * categories.
 *
 * @throws RangeError for a number without a pair.
 */
export function pairAt(n: number, { first = 0 }: PairOptions = {}): Level {
  if (!isNumberBelow(first, categoryCount - 1)) {
    throw new RangeError(`Pairs cannot begin at category ${first}: use 0 to ${categoryCount - 2}`)
  }
  const count = pairCount({ first })
  if (!isNumberBelow(n, count)) throw new RangeError(`Pair ${n} does not exist: pairs are 0 to ${count - 1}`)
  const larger = Math.floor((1 + Math.sqrt(1 + 8 * n)) / 2)
  const smaller = n - (larger * (larger - 1)) / 2
  return levelOf([first + smaller, first + larger])
}

/** Returns the number of a pair: the inverse of `pairAt`. Returns undefined for a level that is not a pair. */
export function pairNumber({ sensitivity, categories }: Level, { first = 0 }: PairOptions = {}): number | undefined {
  const [smaller = -1, larger = -1] = categories
    .map((category) => category - first)
    .toSorted((one, other) => one - other)
  if (sensitivity !== 0 || categories.length !== 2 || smaller < 0 || smaller === larger) return undefined
  return (larger * (larger - 1)) / 2 + smaller
}

function invalid(value: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_INVALID', { operation: 'parse the level', value, detail })
}

/**
 * The largest whole number that JavaScript and a `bigint` column both hold. A larger number reads as this one, and the negative of it is
 * the smallest.
 */
export const largestNumber = Number.MAX_SAFE_INTEGER

/** The largest generation of a row. Generations begin at 1. */
export const largestGeneration = largestNumber - 1

/** The most bytes of a plan's spec that the agent reads. A full spec has about 600. */
export const largestSpec = 16 * 1024

/** The most bytes of the ssh keys of an account that the agent reads, as PostgreSQL renders the array. */
export const largestKeys = 512 * 1024

/**
 * Returns SQL for a column that the API writes: its value, or null when it has more bytes than `most`. Pure.
 *
 * PostgreSQL stores long values compressed, at most about a hundredfold. The first comparison reads no value, so that PostgreSQL does not
 * expand one that is stored with too many bytes.
 */
export function bounded(column: string, most: number): string {
  return `case when pg_column_size(${column}) <= ${most} then case when octet_length(${column}::text) <= ${most} then ${column} end end`
}

/**
 * Returns SQL for the generation of a row after a change. Pure.
 *
 * A generation that is out of range starts again, so that one such row never fails a statement for many rows. The new generation differs
 * from the observed one, if that is given.
 */
export function nextGeneration(column = 'generation', observed?: string): string {
  const again = observed === undefined ? '1' : `case when ${observed} = 1 then 2 else 1 end`
  return `case when ${column} between 0 and ${largestGeneration - 1} then ${column} + 1 else ${again} end`
}

/**
 * Returns SQL for the observed generation to record: the one that was read, or that of the row when it is out of range and was not read
 * exactly. Pure.
 */
export function observedGeneration(column: string, read: string): string {
  return `case when ${column} between ${-largestNumber} and ${largestNumber} then ${read} else ${column} end`
}

/**
 * Maps items with an asynchronous function, at most `limit` at a time. Returns the results in the order of the items.
 *
 * After a failure no further call starts. The first failure is thrown when all started calls have ended, so no call runs after this
 * function returns. `p-map` does not fit: it rejects while its other calls still run.
 *
 * @throws RangeError when `limit` is not a positive integer
 */
export async function mapLimit<Item, Result>(
  items: readonly Item[],
  limit: number,
  map: (item: Item, index: number) => Promise<Result>,
): Promise<readonly Result[]> {
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new RangeError(`The limit must be a positive integer, not ${limit}`)
  const results: Result[] = []
  const failures: unknown[] = []
  let next = 0
  const worker = async () => {
    while (next < items.length && failures.length === 0) {
      const index = next
      next += 1
      try {
        results[index] = await map(items[index] as Item, index)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
  return results
}

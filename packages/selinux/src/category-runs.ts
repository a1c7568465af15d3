/** Groups ascending categories into runs of consecutive numbers. Returns the first and last category of each run. Pure. */
export function runsOf(categories: readonly number[]): readonly (readonly [first: number, last: number])[] {
  const runs: [number, number][] = []
  for (const category of categories) {
    const run = runs.at(-1)
    if (run !== undefined && run[1] + 1 === category) run[1] = category
    else runs.push([category, category])
  }
  return runs
}

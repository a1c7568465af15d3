/** Groups ascending categories into runs of neighbours, each as its first and last. Pure. */
export function runsOf(categories: readonly number[]): readonly (readonly [first: number, last: number])[] {
  const runs: [number, number][] = []
  for (const category of categories) {
    const run = runs.at(-1)
    if (run !== undefined && run[1] + 1 === category) run[1] = category
    else runs.push([category, category])
  }
  return runs
}

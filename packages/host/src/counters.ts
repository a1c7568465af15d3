/** Counters by name, as something counts them now. They only grow, until they are reset. */
export type Counters<Name extends string, Value extends bigint | number> = Readonly<Record<Name, Value>>

/** Totals that never fall, and the reading that was added to them last. Keep it between two readings. */
export interface Meter<Name extends string, Value extends bigint | number> {
  readonly total: Counters<Name, Value>
  readonly last: Counters<Name, Value>
}

/**
 * Adds what a reading counted since the last one to the totals. Pure.
 *
 * A counter that is below the last reading was reset: all that it says now is new. What was counted between the last reading and the reset is
 * lost. Without a meter everything counted so far is new.
 *
 * @param restarted whether all counters were reset since the last reading, also those that are higher by now: after a boot, or when
 *   `anyFell` and they are reset together
 * @throws RangeError for a reading that is negative or not a number
 */
export function addReading<Name extends string, Value extends bigint | number>(
  meter: Meter<Name, Value> | undefined,
  reading: Counters<Name, Value>,
  restarted = false,
): Meter<Name, Value> {
  const names = Object.keys(reading) as Name[]
  const wrong = names.find((name) => !(reading[name] >= 0))
  if (wrong !== undefined) throw new RangeError(`A counter is not negative, but ${wrong} is ${String(reading[wrong])}`)
  if (meter === undefined) return { total: reading, last: reading }
  // A meter from before a counter was added lacks it.
  const [before, last]: readonly Partial<Record<Name, Value>>[] = [meter.total, meter.last]
  const grown = names.map((name) => {
    const value: Count = reading[name]
    const [seen, total]: readonly (Count | undefined)[] = [last?.[name], before?.[name]]
    const added = restarted || seen === undefined || value < seen ? value : minus(value, seen)
    return [name, total === undefined ? added : plus(total, added)]
  })
  return { total: { ...meter.total, ...(Object.fromEntries(grown) as Record<Name, Value>) }, last: reading }
}

/** Returns whether any counter of a reading, or any of these, is below the last reading. Pure. */
export function anyFell<Name extends string>(
  last: Readonly<Partial<Record<Name, bigint | number>>>,
  reading: Readonly<Record<Name, bigint | number>>,
  names: readonly NoInfer<Name>[] = Object.keys(reading) as Name[],
): boolean {
  return names.some((name) => {
    const seen = last[name]
    return seen !== undefined && reading[name] < seen
  })
}

type Count = bigint | number

/** TypeScript does not know that both operands are of the same one of the two kinds. */
function plus(one: Count, other: Count): Count {
  return (one as number) + (other as number)
}

function minus(one: Count, other: Count): Count {
  return (one as number) - (other as number)
}

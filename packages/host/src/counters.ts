/** Counter values by name. A counter only grows until it is reset. */
export type Counters<Name extends string, Value extends bigint | number> = Readonly<Record<Name, Value>>

/** Totals that never decrease, and the last reading that was added to them. Store it between two readings. */
export interface Meter<Name extends string, Value extends bigint | number> {
  readonly total: Counters<Name, Value>
  readonly last: Counters<Name, Value>
}

/**
 * Adds to the totals what was counted since the last reading. Pure.
 *
 * A counter below its last reading was reset: its whole value is new. What was counted between the last reading and the reset is lost.
 * Without a meter, the whole reading is new.
 *
 * @param restarted whether all counters were reset since the last reading, including counters that are higher by now: after a boot, or when
 *   `anyFell` returns true and all counters are reset together
 * @throws RangeError for a value that is negative or not a number
 */
export function addReading<Name extends string, Value extends bigint | number>(
  meter: Meter<Name, Value> | undefined,
  reading: Counters<Name, Value>,
  restarted = false,
): Meter<Name, Value> {
  const names = Object.keys(reading) as Name[]
  const wrong = names.find((name) => !(reading[name] >= 0))
  if (wrong !== undefined)
    throw new RangeError(`The counter ${wrong} must not be negative, but is ${String(reading[wrong])}`)
  if (meter === undefined) return { total: reading, last: reading }
  // A meter that was stored before a counter existed does not have that counter.
  const [before, last]: readonly Partial<Record<Name, Value>>[] = [meter.total, meter.last]
  const grown = names.map((name) => {
    const value: Count = reading[name]
    const [seen, total]: readonly (Count | undefined)[] = [last?.[name], before?.[name]]
    const added = restarted || seen === undefined || value < seen ? value : minus(value, seen)
    return [name, total === undefined ? added : plus(total, added)]
  })
  return { total: { ...meter.total, ...(Object.fromEntries(grown) as Record<Name, Value>) }, last: reading }
}

/** Returns whether any counter (or any of `names`) is below its last reading. Pure. */
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

/** TypeScript does not know that both operands are of the same type. */
function plus(one: Count, other: Count): Count {
  return (one as number) + (other as number)
}

function minus(one: Count, other: Count): Count {
  return (one as number) - (other as number)
}

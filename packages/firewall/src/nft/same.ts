import type { Json, ObservedTable } from './table.ts'

/** Returns whether two listings have the same objects. Ignores counters, handles and the order of elements. Pure. */
export function sameTable(one: ObservedTable | undefined, other: ObservedTable | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return stableText(one.objects) === stableText(other.objects)
}

function stableText(objects: readonly Json[]): string {
  return JSON.stringify(objects.map((object) => stable(object)))
}

/** Numbers that change without a transaction, or with a transaction that changes nothing else. */
const volatile: readonly string[] = ['handle', 'packets', 'bytes']

function stable(json: Json): Json {
  if (Array.isArray(json)) return (json as readonly Json[]).map((one) => stable(one))
  if (json === null || typeof json !== 'object') return json
  const fields = Object.entries(json).filter(([name]) => !volatile.includes(name))
  return Object.fromEntries(
    fields.map(([name, value]) => [name, name === 'elem' ? sorted(stable(value)) : stable(value)]),
  )
}

/** The kernel lists elements of a hash set in any order. */
function sorted(json: Json): Json {
  if (!Array.isArray(json)) return json
  return (json as readonly Json[])
    .map((one) => [JSON.stringify(one), one] as const)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([, one]) => one)
}

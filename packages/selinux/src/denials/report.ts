import { renderRange } from '../level.ts'
import type { Denial } from './denial.ts'

/** Denials of one kind and one level. */
export interface DenialGroup {
  /** The level of the denied process, which is the level of a tenant. */
  readonly level: string
  readonly acts: readonly string[]
  readonly class: string
  readonly source: string
  readonly target: string
  readonly count: number
  readonly last: number
  /** The latest denial of the group. */
  readonly example: Denial
}

/** Groups denials by level, source, target, class and acts. The largest group comes first. Pure. */
export function groupDenials(denials: readonly Denial[]): readonly DenialGroup[] {
  const keyOf = ({ source, target, class: name, acts }: Denial) =>
    JSON.stringify([source.range === undefined ? '' : renderRange(source.range), source.type, target.type, name, acts])
  return [...Map.groupBy(denials, keyOf).values()]
    .map((group): DenialGroup => {
      const example = group.reduce((latest, denial) => (denial.at >= latest.at ? denial : latest))
      return {
        level: example.source.range === undefined ? '' : renderRange(example.source.range),
        acts: example.acts,
        class: example.class,
        source: example.source.type,
        target: example.target.type,
        count: group.length,
        last: example.at,
        example,
      }
    })
    .toSorted((a, b) => b.count - a.count || b.last - a.last)
}

import type { Applied, Change, ChangeSet, ItemResult } from './change.ts'
import type { EffectOptions } from './effect.ts'
import type { Probe } from './probe.ts'

/**
 * One Linux mechanism, with the verbs that every facility has.
 *
 * `ensure(spec)` is `read`, `plan` and `apply`. A second call changes nothing and writes nothing. What is planned is what is applied: `apply`
 * performs the changes of its change set and no others.
 */
export interface Facility<
  Spec,
  Observed,
  Planned extends ChangeSet<Change> = ChangeSet,
  Result extends ItemResult = ItemResult,
  Found extends Probe = Probe,
> {
  /** Finds out what works on this machine. Looks only, and never throws: what does not work has its error and the steps that enable it. */
  probe(options?: EffectOptions): Promise<Found>

  /** Reads what `plan` compares this spec with. Changes nothing. */
  read(spec: Spec, options?: EffectOptions): Promise<Observed>

  /** Returns the differences between a spec and an observation. Pure: equal arguments have equal results, and nothing is read or run. */
  plan(spec: Spec, observed: Observed): Planned

  /**
   * Performs the changes of a change set in one batch and reads every one of them back.
   *
   * An item that fails is an error in its result and does not disturb its neighbours. A call that was killed half way is converged by the
   * next `ensure`.
   */
  apply(changeSet: Planned, options?: EffectOptions): Promise<Applied<Result>>

  /** Reads, plans and applies. */
  ensure(spec: Spec, options?: EffectOptions): Promise<Applied<Result>>
}

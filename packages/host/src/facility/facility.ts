import type { Applied, Change, ChangeSet, ItemResult } from './change.ts'
import type { EffectOptions } from './effect.ts'
import type { Probe } from './probe.ts'

/**
 * A Linux mechanism, with the verbs that every facility has.
 *
 * `ensure(spec)` is `read`, `plan` and `apply`. A second call changes nothing and writes nothing. `apply` performs exactly the changes of
 * its change set.
 */
export interface Facility<
  Spec,
  Observed,
  Planned extends ChangeSet<Change> = ChangeSet,
  Result extends ItemResult = ItemResult,
  Found extends Probe = Probe,
> {
  /**
   * Checks what works on this machine. Changes nothing and never rejects. A part that does not work has a reason and the steps that would
   * enable it.
   */
  probe(options?: EffectOptions): Promise<Found>

  /** Reads the state that `plan` compares with this spec. Changes nothing. */
  read(spec: Spec, options?: EffectOptions): Promise<Observed>

  /** Returns the differences between a spec and an observation. Pure: equal arguments have equal results, and nothing is read or run. */
  plan(spec: Spec, observed: Observed): Planned

  /**
   * Performs the changes of a change set in one batch and reads every changed item back.
   *
   * An item that fails has an error in its result and does not affect other items. After a call that was killed, the next `ensure`
   * converges.
   */
  apply(changeSet: Planned, options?: EffectOptions): Promise<Applied<Result>>

  /** Reads, plans and applies. Idempotent. */
  ensure(spec: Spec, options?: EffectOptions): Promise<Applied<Result>>
}

import type { EffectOptions, Facility, Host } from '@puppy/host'
import { ensureCurrent } from '../ensure.ts'
import { probeFor, type AccountProbe } from '../probe.ts'
import { assertLayout, type SlotLayout } from '../slots.ts'
import { applyBase, type BaseApplied, type BaseResult } from './apply.ts'
import { planBase, type BaseChangeSet, type BaseSpec } from './plan.ts'
import { readBase, type BaseObservation } from './read.ts'

/**
 * The files that logins need once per host: the `Match Group` block of sshd, checked with `sshd -t`, and the files that set variables in
 * login shells and user services. The spec is `present` or `absent`.
 *
 * Writing needs root. It takes no lock: the caller must hold one.
 */
export interface Base extends Facility<BaseSpec, BaseObservation, BaseChangeSet, BaseResult, AccountProbe> {
  apply(changeSet: BaseChangeSet, options?: EffectOptions): Promise<BaseApplied>
  /** Reads, plans and applies. Idempotent. */
  ensure(spec: BaseSpec, options?: EffectOptions): Promise<BaseApplied>
}

/**
 * Opens the base files of a host. Reads nothing yet.
 *
 * @throws RangeError, TypeError for an invalid layout.
 */
export function openBase(host: Host, layout: SlotLayout): Base {
  assertLayout(layout)
  const base: Base = {
    probe: () => probeFor(host, ['logins']),
    read: (_spec, options) => readBase(host, layout, options),
    plan: planBase,
    apply: (changeSet, options) => applyBase(host, changeSet, options),
    ensure: (spec, options = {}) => ensureCurrent(base, spec, options),
  }
  return Object.freeze(base)
}

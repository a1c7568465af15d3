import type { Applied, EffectOptions, Facility, Host } from '@puppy/host'
import { ensureCurrent } from '../ensure.ts'
import { probeFor, type AccountProbe } from '../probe.ts'
import { assertLayout, type SlotLayout } from '../slots.ts'
import { applyPool, type SlotResult } from './apply.ts'
import { planPool, type PoolChangeSet } from './plan.ts'
import { readPool, type PoolObservation, type PoolReadOptions, type PoolSlot } from './read.ts'

/**
 * The slots of a host: users, private groups, the shared group and homes. The spec is a list of slots that should exist.
 *
 * Writing needs root. It takes no lock: the caller must hold one.
 */
export interface Pool extends Facility<readonly PoolSlot[], PoolObservation, PoolChangeSet, SlotResult, AccountProbe> {
  /** Reads the users, groups, homes and port reservations that `plan` compares with these slots. @throws as `readReserved`. */
  read(slots: readonly PoolSlot[], options?: PoolReadOptions): Promise<PoolObservation>
  /** Reads, plans and applies. Afterwards each slot is ready, or its result has an error. Idempotent. */
  ensure(slots: readonly PoolSlot[], options?: PoolReadOptions): Promise<Applied<SlotResult>>
}

/**
 * Opens the pool of a host. Reads nothing yet.
 *
 * @throws RangeError, TypeError for an invalid layout.
 */
export function openPool(host: Host, layout: SlotLayout): Pool {
  assertLayout(layout)
  const pool: Pool = {
    probe: () => probeFor(host, ['pool']),
    read: (slots, options) => readPool(host, layout, slots, options),
    plan: planPool,
    apply: (changeSet: PoolChangeSet, options?: EffectOptions) => applyPool(host, layout, changeSet, options),
    ensure: (slots, options = {}) => ensureCurrent(pool, slots, options),
  }
  return Object.freeze(pool)
}

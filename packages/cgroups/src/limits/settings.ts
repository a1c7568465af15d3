import { CgroupError } from '../errors.ts'
import { checkLimits, type LimitFault, type Setting } from './check.ts'

/**
 * Splits limits into settings, rounded as the kernel and systemd round. Devices must be numbers (`8:0`). Pure.
 *
 * @throws CgroupError `CGROUP_INVALID` with the first invalid limit.
 */
export function settingsOf(limits: unknown): readonly Setting[] {
  const { settings, faults } = checkLimits(limits)
  if (faults[0] !== undefined) throw invalidLimit(faults[0])
  return settings
}

/** Returns the error for a fault. */
export function invalidLimit({ name, value, detail }: LimitFault): CgroupError {
  const facts = { operation: 'use the limit', target: name, detail }
  return new CgroupError('CGROUP_INVALID', value === undefined ? facts : { ...facts, value })
}

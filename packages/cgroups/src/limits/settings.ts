import { CgroupError } from '../errors.ts'
import { checkLimits, type LimitFault, type Setting } from './check.ts'

/**
 * Takes limits apart, each rounded as the kernel and systemd round. Pure. Devices must be numbers (`8:0`).
 *
 * @throws CgroupError `CGROUP_INVALID` naming the first limit that is invalid.
 */
export function settingsOf(limits: unknown): readonly Setting[] {
  const { settings, faults } = checkLimits(limits)
  if (faults[0] !== undefined) throw invalidLimit(faults[0])
  return settings
}

/** Returns the error that a fault is. */
export function invalidLimit({ name, value, detail }: LimitFault): CgroupError {
  const facts = { operation: 'use the limit', target: name, detail }
  return new CgroupError('CGROUP_INVALID', value === undefined ? facts : { ...facts, value })
}

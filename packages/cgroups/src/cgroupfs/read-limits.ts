import type { Limits } from '../limits/limits.ts'
import { parseLimits } from '../limits/parse.ts'
import type { CgroupPath } from '../path.ts'
import type { Cgroupfs } from './cgroupfs.ts'

/** Reads a group's limits, or those that `like` has. */
export function readLimits(cgroupfs: Cgroupfs, path: CgroupPath, like?: Limits): Limits {
  return parseLimits((file) => cgroupfs.read(path, file), like)
}

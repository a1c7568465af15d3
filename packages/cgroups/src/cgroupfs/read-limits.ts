import type { Limits } from '../limits/limits.ts'
import { parseLimits } from '../limits/parse.ts'
import type { CgroupPath } from '../path.ts'
import type { Cgroupfs } from './cgroupfs.ts'

/** Reads the limits of a group. With `like`, reads only the limits that `like` has. */
export function readLimits(cgroupfs: Cgroupfs, path: CgroupPath, like?: Limits): Limits {
  return parseLimits((file) => cgroupfs.read(path, file), like)
}

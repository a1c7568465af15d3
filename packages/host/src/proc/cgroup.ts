/** The group of cgroup v2 that a process is in. */
export interface ProcessGroup {
  /** Its path below the root of the tree, without a slash before it: `user.slice/user-1000.slice/session-1.scope`. Empty for the root. */
  readonly path: string
  /** Whether the kernel says that the group was removed. A group whose own name ends in ` (deleted)` looks the same. */
  readonly removed: boolean
}

const removedEnding = ' (deleted)'

/**
 * Parses `/proc/PID/cgroup`. Returns undefined when no group of cgroup v2 is in it, or one outside of our cgroup namespace. Pure.
 *
 * ```text
 * 0::/user.slice/user-1000.slice/session-1.scope
 * ```
 *
 * Names of groups hold no line feed, and may hold a carriage return.
 *
 * @see cgroups(7)
 */
export function parseCgroup(text: string): ProcessGroup | undefined {
  const lines = text.split('\n').slice(0, -1)
  const line = lines.find((one) => one.startsWith('0::/'))
  if (line === undefined) return undefined
  const path = line.slice('0::/'.length)
  if (path.split('/').includes('..')) return undefined
  const removed = path.endsWith(removedEnding)
  return { path: removed ? path.slice(0, -removedEnding.length) : path, removed }
}

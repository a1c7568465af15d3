/** The cgroup (v2) of a process. */
export interface ProcessGroup {
  /**
   * The path below the root of the hierarchy, without a leading slash: `user.slice/user-1000.slice/session-1.scope`. Empty for the root.
   */
  readonly path: string
  /** Whether the kernel reports that the group was removed. A group with a name that ends in ` (deleted)` looks the same. */
  readonly removed: boolean
}

const removedEnding = ' (deleted)'

/**
 * Parses `/proc/PID/cgroup`. Returns undefined when it has no cgroup v2 entry, or when the group is outside of our cgroup namespace. Pure.
 *
 * ```text
 * 0::/user.slice/user-1000.slice/session-1.scope
 * ```
 *
 * The name of a group never contains a line feed, but may contain a carriage return.
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

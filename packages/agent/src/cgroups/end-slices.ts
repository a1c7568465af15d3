import { CgroupError, slicePath, userSlice, type Cgroups } from '@puppy/cgroups'

/** Milliseconds until the processes of a slice must have ended after SIGKILL. Processes that hang in the kernel do not end later either. */
const killTimeout = 5000

/**
 * Ends every process in the slices of uids, also processes of another user. One write for each slice ends all its processes, so that a
 * process that forks cannot escape. All slices end at the same time, and none delays another.
 *
 * @returns error messages by uid
 * @throws the reason of the signal
 */
export async function endSlices(
  groups: Pick<Cgroups, 'exists' | 'state' | 'kill'>,
  uids: readonly number[],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, string>> {
  const left = new Map<number, string>()
  const end = async (uid: number) => {
    const path = slicePath(userSlice(uid))
    try {
      if (groups.exists(path) && groups.state(path).populated) await groups.kill(path, { signal, timeout: killTimeout })
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof CgroupError && error.code === 'CGROUP_GONE') return
      left.set(uid, error instanceof Error ? error.message : 'ending its slice failed without an error message')
    }
  }
  await Promise.all(uids.map(end))
  return left
}

/** A process, identified by pid and start time, because the kernel reuses pids. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks since boot, as `ProcessStat.started`. */
  readonly started: number
}

/**
 * Checks that a pid is valid for a signal to a single process.
 *
 * @throws TypeError for a pid that is not an integer above 1: kill(2) takes 0 and negative numbers for process groups, and 1 is the init
 */
export function assertSignalable(pid: number): void {
  if (!Number.isSafeInteger(pid) || pid < 2)
    throw new TypeError(`A signal needs the pid of a single process other than init, not ${pid}`)
}

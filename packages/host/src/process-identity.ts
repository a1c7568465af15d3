/** A process, known by its number and its start, so that another process with the same number is not taken for it. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks since boot, as `ProcessStat.started`. */
  readonly started: number
}

/**
 * Asserts that a number names one process that a signal may be sent to.
 *
 * @throws TypeError for 0 and negative numbers, which kill(2) takes for groups of processes, and for 1, which is the init
 */
export function assertSignalable(pid: number): void {
  if (!Number.isSafeInteger(pid) || pid < 2) throw new TypeError(`No signal is sent to the process ${pid}`)
}

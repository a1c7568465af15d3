/** Options of `Host.lock`. */
export interface LockOptions {
  /** Milliseconds to wait for another holder. Default 10,000. 0 tries once. */
  readonly timeout?: number
  readonly signal?: AbortSignal
  /** The purpose of the lock, for the error message of a process that waited too long. Default: only the process id. */
  readonly purpose?: string
  /**
   * Also takes the lock that the npm package proper-lockfile takes for the file at this path: the folder `PATH.lock`. So this process and
   * other Node programs that use proper-lockfile wait for each other. The file itself is neither opened nor written: flock(2) is taken on
   * `PATH.flock` beside it. Default false.
   */
  readonly visible?: boolean
  /** Uids, besides that of this process, of programs that change something while the lock is held. */
  readonly users?: readonly number[]
}

/** A held lock. It is also released when this process ends. The next holder then first ends the programs that this process left behind. */
export interface Lock extends AsyncDisposable {
  readonly path: string
  /**
   * Aborted with a `HostError` `HOST_LOCK_LOST` when another program has taken a visible lock. That program assumed that this process had
   * ended, because this process or the machine was stopped for ten seconds. flock(2) is still held. Never aborted for another reason.
   */
  readonly lost: AbortSignal
  /** Releases the lock. Idempotent. */
  release(): Promise<void>
}

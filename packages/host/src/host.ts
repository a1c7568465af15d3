import type { Command, RunOptions, RunResult, StartedProgram, StartOptions } from './command.ts'
import type { Files } from './files.ts'
import type { Lock, LockOptions } from './lock.ts'
import type { ProcessIdentity } from './process-identity.ts'

/**
 * A Linux machine, or a folder that is taken for one.
 *
 * Every path is absolute as the machine sees it (`/etc/passwd`); `path` returns where that is below the root.
 */
export interface Host extends Files {
  /** The folder that stands for `/`. */
  readonly root: string
  /** Whether this is the machine itself. When false only files change, and a program that touches more is refused. */
  readonly live: boolean

  /**
   * Runs a program to its end and returns what it wrote.
   *
   * A program that changes something inherits the descriptors of the locks held through this host, so a lock stays
   * taken while a program started under it is still at work, also when we are killed.
   *
   * @throws HostError `HOST_PROGRAM_NOT_FOUND`, `HOST_PROGRAM_FAILED` (an exit code not in `accept`, or a signal),
   *   `HOST_TIMEOUT`, `HOST_ABORTED`, `HOST_OUTPUT_TOO_LARGE`, `HOST_NOT_LIVE`.
   * @throws TypeError when the program is not an absolute path or a word holds a NUL.
   */
  run(command: Command, options: RunOptions): Promise<RunResult>

  /**
   * Starts a program that goes on when we end (a database, another of our processes), its output going to a file.
   * It inherits no lock. @throws HostError `HOST_PROGRAM_NOT_FOUND`, `HOST_WRITE_FAILED`.
   */
  start(command: Command, options: StartOptions): Promise<StartedProgram>

  /**
   * Sends a signal to a process if it is still the one that was identified. Returns whether it was sent: false for a process that has
   * ended, and for another one that has its pid now.
   *
   * Between the comparison and the signal lie microseconds, and the kernel does not use a pid again that soon.
   *
   * @throws HostError `HOST_SIGNAL_FAILED`, `HOST_NOT_LIVE`.
   * @throws TypeError for a pid that is not one of a single process: 0 and negative numbers are groups, and 1 is the init.
   * @see kill(2)
   */
  signal(process: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean>

  /** Finds a program in the system's own folders (`/usr/sbin`, `/usr/bin`, `/sbin`, `/bin`); `PATH` is not consulted. */
  program(name: string): string | undefined

  /**
   * Holds a lock until it is released or the last process that inherited it ends.
   *
   * Waits at most `timeout` milliseconds (default 10,000). The lock file stays behind: removing it would let two hold it.
   *
   * @throws HostError `HOST_LOCK_TIMEOUT` naming the holder, `HOST_LOCK_FAILED`, `HOST_ABORTED`.
   * @see flock(2), flock(1)
   */
  lock(path: string, options?: LockOptions): Promise<Lock>
}

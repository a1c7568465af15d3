import type { Command, RunOptions, RunResult, StartedProgram, StartOptions } from './command.ts'
import type { Files } from './files.ts'
import type { Lock, LockOptions } from './lock-options.ts'
import type { Mount } from './proc/mountinfo.ts'
import type { ProcessIdentity } from './process-identity.ts'

/**
 * A Linux machine, or a folder that stands for one.
 *
 * Every path is absolute as the machine sees it (`/etc/passwd`). `path` returns where that path is below the root.
 */
export interface Host extends Files {
  /** The folder that stands for `/`. */
  readonly root: string
  /**
   * Whether this is the machine itself (the root is `/`). When false, only files below the root change, and `run` refuses programs with
   * `touches: 'machine'`.
   */
  readonly live: boolean

  /**
   * Runs a program until it ends and returns its output.
   *
   * A program inherits no lock. A program that changes something has the marks of the locks held through this host in its environment, as
   * `HOST_LOCKS`. So if this process is killed, the next holder of the lock waits for the program.
   *
   * @throws HostError `HOST_PROGRAM_NOT_FOUND`, `HOST_PROGRAM_FAILED` (an exit code not in `accept`, or a signal), `HOST_TIMEOUT`,
   *   `HOST_ABORTED`, `HOST_OUTPUT_TOO_LARGE`, `HOST_NOT_LIVE`.
   * @throws TypeError when the program is not an absolute path or an argument contains a NUL.
   */
  run(command: Command, options: RunOptions): Promise<RunResult>

  /**
   * Starts a program that continues after this process ends, such as a database. Its output goes to a file. It inherits no lock.
   *
   * @throws HostError `HOST_PROGRAM_NOT_FOUND`, `HOST_PROGRAM_FAILED` (it could not be started), `HOST_WRITE_FAILED`.
   */
  start(command: Command, options: StartOptions): Promise<StartedProgram>

  /**
   * Sends a signal to a process, if the pid still belongs to the identified process. Returns whether the signal was sent. Returns false
   * when that process has ended, also when another process has its pid now.
   *
   * Only microseconds pass between the check and the signal, and the kernel does not reuse a pid that soon.
   *
   * @throws HostError `HOST_SIGNAL_FAILED`, `HOST_NOT_LIVE`.
   * @throws TypeError for a pid that is not an integer above 1: kill(2) takes 0 and negative numbers for process groups, and 1 is the init.
   * @see kill(2)
   */
  signal(process: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean>

  /**
   * Unmounts one mount, and the mounts below it. The unmount is lazy: a busy mount disappears from the tree at once, and ends when no process
   * uses it. Returns false when the mount does not exist, or when its mount point does not lead to it: it is covered, or a user moves
   * folders of the path at this moment. Then the caller may read the mounts again and repeat the call.
   *
   * No other mount is unmounted, also when a user replaces a folder of the path by a link meanwhile.
   *
   * @param mount as `readMounts` returned it
   * @throws HostError as `run`, `HOST_NOT_LIVE`.
   * @see umount(8), open(2) about O_PATH
   */
  unmount(mount: Mount, options?: Pick<RunOptions, 'signal' | 'timeout'>): Promise<boolean>

  /** Returns the path of a program in the system folders (`/usr/sbin`, `/usr/bin`, `/sbin`, `/bin`), or undefined. Ignores `PATH`. */
  program(name: string): string | undefined

  /**
   * Takes a lock. The lock is held until `release`, or until this process ends. If the last holder was killed, first waits for the programs
   * that it left behind. A program that is stopped, or that runs after half of the timeout, receives SIGKILL.
   *
   * Waits at most `timeout` milliseconds (default 10,000). The lock file is never removed: after a removal two processes could hold the
   * lock.
   *
   * @throws HostError `HOST_LOCK_TIMEOUT` with the last holder in the message, `HOST_LOCK_FAILED`, `HOST_ABORTED`.
   * @see flock(2), flock(1)
   */
  lock(path: string, options?: LockOptions): Promise<Lock>
}

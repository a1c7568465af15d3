import { resolve } from 'node:path'
import { createRelabel } from './context.ts'
import { createFiles, type Files } from './files.ts'
import { createLocks, type Lock, type LockOptions } from './lock.ts'
import { findProgram, runProgram, startProgram } from './run.ts'

/** A program and its arguments. The program is an absolute path; no shell ever sees any of it. */
export type Command = readonly [program: string, ...args: string[]]

/**
 * How far a program reaches, which decides where it may run.
 *
 * - `nothing`: it only looks.
 * - `files`: it changes files below the host's root and is told so by its own arguments (`--root=…`).
 * - `machine`: it changes the kernel's or a service's state, which no root folder contains. Refused unless `host.live`.
 * - `ours`: it starts or checks something of our own that is harmless on any machine, such as HAProxy on our ports.
 */
export type Reach = 'nothing' | 'files' | 'machine' | 'ours'

export interface RunOptions {
  readonly touches: Reach
  /** Standard input; closed at once when absent. */
  readonly input?: string
  /** Milliseconds until the program is ended. Default 30,000. */
  readonly timeout?: number
  readonly signal?: AbortSignal
  /** Bytes of output, each of stdout and stderr, after which the program is ended. Default 16 MiB. */
  readonly maxOutput?: number
  /** Exit codes that are answers rather than failures. Default `[0]`. */
  readonly accept?: readonly number[]
  /** Strings that must not appear in any message. */
  readonly secrets?: readonly string[]
  /** Variables beside `LC_ALL=C` and a fixed `PATH`; nothing else of our own environment is passed on. */
  readonly env?: Readonly<Record<string, string>>
  /** The program puts itself into the background and stays: it does not inherit the locks that we hold. */
  readonly daemon?: boolean
}

export interface RunResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface StartOptions {
  /** The file that standard output and error are appended to, as a path of the machine (not below the root). */
  readonly log: string
  readonly env?: Readonly<Record<string, string>>
  readonly uid?: number
  readonly gid?: number
}

/** A program that goes on running, in a session of its own, after we end. */
export interface StartedProgram {
  readonly pid: number
  /** Settles when the program ends while we still live; never rejects. */
  readonly exited: Promise<{ readonly exitCode: number | undefined; readonly signal: string | undefined }>
  /** Stops keeping our own process alive for it. */
  forget(): void
}

/**
 * A Linux machine, or a folder that is taken for one.
 *
 * Every path is absolute as the machine sees it (`/etc/passwd`); `path` tells where that is below the root.
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

export interface HostOptions {
  /** The folder that is taken for the root of the machine. Default `/`. */
  readonly root?: string
}

/** Opens the machine itself, or with `root` a folder in its place. */
export function createHost(options: HostOptions = {}): Host {
  const root = resolve(options.root ?? '/')
  const live = root === '/'
  const files = createFiles(root, createRelabel(live))
  const locks = createLocks(files.path)
  return Object.freeze({
    root,
    live,
    ...files,
    lock: locks.lock,
    program: findProgram,
    start: startProgram,
    run: (command: Command, run: RunOptions) => runProgram(command, run, { live, heldDescriptors: locks.descriptors }),
  })
}

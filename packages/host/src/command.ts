/** A program and its arguments. The program is an absolute path. No shell interprets the command. */
export type Command = readonly [program: string, ...args: string[]]

/**
 * What a program changes. It decides on which hosts the program may run.
 *
 * - `nothing`: the program only reads.
 * - `files`: the program changes files below the root of the host. Its arguments name that root (`--root=…`).
 * - `machine`: the program changes state of the kernel or of a service, which is outside of any root folder. Refused unless `host.live`.
 * - `ours`: the program starts or checks something of our own that is harmless on any machine, such as HAProxy on our ports.
 */
export type Reach = 'nothing' | 'files' | 'machine' | 'ours'

/** Options of `Host.run`. */
export interface RunOptions {
  readonly touches: Reach
  /** Standard input. Default: closed. */
  readonly input?: string
  /** Milliseconds until the program is terminated. Default 30,000. */
  readonly timeout?: number
  readonly signal?: AbortSignal
  /** The most bytes of stdout, and of stderr. A program that writes more is terminated. Default 16 MiB. */
  readonly maxOutput?: number
  /** Exit codes that do not count as failures. Default `[0]`. */
  readonly accept?: readonly number[]
  /** Strings that are hidden in all messages. */
  readonly secrets?: readonly string[]
  /**
   * Environment variables in addition to `LC_ALL=C`, a fixed `PATH`, and `HOST_LOCKS` while a lock is held. No other variable of this
   * process is passed on.
   */
  readonly env?: Readonly<Record<string, string>>
  /** The program moves to the background and stays there. No lock waits for it. */
  readonly daemon?: boolean
}

/** The result of a program that has ended. */
export interface RunResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Options of `Host.start`. */
export interface StartOptions {
  /** The file to which standard output and standard error are appended. The path is one of the machine, not one below the root. */
  readonly log: string
  readonly env?: Readonly<Record<string, string>>
  /** Open descriptors of this process that the program inherits, from number 3 on. */
  readonly descriptors?: readonly number[]
}

/** A program in its own session. It continues after this process ends. */
export interface StartedProgram {
  readonly pid: number
  /** Resolves when the program ends while this process still runs. Never rejects. */
  readonly exited: Promise<{ readonly exitCode: number | undefined; readonly signal: string | undefined }>
  /** Allows this process to end although the program still runs. */
  forget(): void
}

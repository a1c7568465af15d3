/** A program and its arguments. The program is an absolute path; no shell ever sees any of it. */
export type Command = readonly [program: string, ...args: string[]]

/**
 * How far a program reaches. It decides on which hosts the program may run.
 *
 * - `nothing`: it only reads.
 * - `files`: it changes files below the host's root, which its own arguments name (`--root=…`).
 * - `machine`: it changes the kernel's or a service's state, which no root folder contains. Refused unless `host.live`.
 * - `ours`: it starts or checks something of our own that is harmless on any machine, such as HAProxy on our ports.
 */
export type Reach = 'nothing' | 'files' | 'machine' | 'ours'

/** Options of `Host.run`. */
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
  /** The program puts itself into the background and stays. It does not inherit the locks that we hold. */
  readonly daemon?: boolean
}

/** What a program that ended returned. */
export interface RunResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Options of `Host.start`. */
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
  /** Resolves when the program ends while this process still runs. Never rejects. */
  readonly exited: Promise<{ readonly exitCode: number | undefined; readonly signal: string | undefined }>
  /** Stops keeping our own process alive for it. */
  forget(): void
}

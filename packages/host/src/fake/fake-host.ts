import type { Command, RunResult } from '../command.ts'
import type { Host } from '../host.ts'

/**
 * A program of a fake host. It receives its arguments and input, may change the files of the host, and returns its output and exit code.
 */
export type FakeProgram = (call: {
  readonly args: readonly string[]
  readonly input: string
  readonly host: FakeHost
}) => Partial<RunResult> | Promise<Partial<RunResult>>

/** Options of `createFakeHost`. */
export interface FakeHostOptions {
  /** Text files by absolute path. Their folders are created. */
  readonly files?: Readonly<Record<string, string>>
  /** Targets of symbolic links by absolute path. Links are not followed. Their folders are created. */
  readonly links?: Readonly<Record<string, string>>
  /** Programs by absolute path. No other program is found. */
  readonly programs?: Readonly<Record<string, FakeProgram>>
  /** The answers of kernel files for `ask`, by absolute path. Undefined means that the question is invalid. */
  readonly answers?: Readonly<Record<string, (question: string) => string | undefined>>
  /** The effect of a signal. Default: SIGKILL and SIGTERM remove the process from `/proc`, other signals do nothing. */
  readonly onSignal?: (call: { readonly pid: number; readonly signal: NodeJS.Signals; readonly host: FakeHost }) => void
  /** The value of `Host.live`. Default true. Only the fake programs and `onSignal` have effects beyond the files. */
  readonly live?: boolean
}

/** A `Host` in memory for unit tests of code that uses one. It passes the same conformance suite as the real one. */
export interface FakeHost extends Host {
  /** Every command that was run or started, oldest first. */
  readonly commands: readonly Command[]
  /** The mount point of every mount that `unmount` removed from `/proc/self/mountinfo`, oldest first. */
  readonly unmounted: readonly string[]
  /** Every signal that was sent, oldest first. */
  readonly signals: readonly { readonly pid: number; readonly signal: NodeJS.Signals }[]
  /** Removes a process from `/proc`, as if it had ended. */
  endProcess(pid: number): void
  /** Appends to an existing file, as another process does. The file keeps its identity. */
  append(path: string, text: string): void
}

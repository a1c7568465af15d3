import type { Command, RunResult } from '../command.ts'
import type { Host } from '../host.ts'

/** A program of a fake host: it receives its arguments and input, may change the files of the host, and returns what it printed. */
export type FakeProgram = (call: {
  readonly args: readonly string[]
  readonly input: string
  readonly host: FakeHost
}) => Partial<RunResult> | Promise<Partial<RunResult>>

/** Options of `createFakeHost`. */
export interface FakeHostOptions {
  /** Text files by absolute path; their folders come along. */
  readonly files?: Readonly<Record<string, string>>
  /** Symbolic links by absolute path, and where each leads; they are not followed. Their folders come along. */
  readonly links?: Readonly<Record<string, string>>
  /** Programs by absolute path. Any other program is not found. */
  readonly programs?: Readonly<Record<string, FakeProgram>>
  /** What the files of the kernel that answer return, by absolute path; undefined for a question that is invalid. */
  readonly answers?: Readonly<Record<string, (question: string) => string | undefined>>
  /** What a signal to a process does. Default: SIGKILL and SIGTERM take the process out of `/proc`, others do nothing. */
  readonly onSignal?: (call: { readonly pid: number; readonly signal: NodeJS.Signals; readonly host: FakeHost }) => void
  /** Default true. Nothing but its programs changes anything. */
  readonly live?: boolean
}

/** A `Host` in memory for unit tests of code that uses one. It passes the same conformance suite as the real one. */
export interface FakeHost extends Host {
  /** Every command run or started, oldest first. */
  readonly commands: readonly Command[]
  /** Every signal that was sent, oldest first. */
  readonly signals: readonly { readonly pid: number; readonly signal: NodeJS.Signals }[]
  /** Takes a process out of `/proc`, as its end does. */
  endProcess(pid: number): void
  /** Appends to a file that is there, as another process does: it stays the same file. */
  append(path: string, text: string): void
}

import {
  effectTimeout,
  HostError,
  renderCommand,
  requireTool,
  runOptions,
  type EffectOptions,
  type Host,
  type RunOptions,
  type RunResult,
  type Tool,
} from '@puppy/host'
import { SelinuxError } from './errors.ts'

export interface ProgramRun extends EffectOptions, Pick<RunOptions, 'touches' | 'input' | 'accept'> {
  /** The attempted operation, for messages. */
  readonly operation: string
  readonly target: string
}

/** In bytes. A home can have a hundred thousand files, and each is a line. */
const maxOutput = 64 * 1024 * 1024

/** Returns the absolute path of a program. @throws SelinuxError `SELINUX_NOT_INSTALLED` with its Debian package. */
export function programOf(host: Host, name: Tool): string {
  return requireTool(host, name, (facts) => new SelinuxError('SELINUX_NOT_INSTALLED', facts))
}

/**
 * Runs a program by its bare name.
 *
 * @throws SelinuxError `SELINUX_NOT_INSTALLED`, and those of `runCommand`.
 */
export async function runProgram(
  host: Host,
  [name, ...args]: readonly [Tool, ...string[]],
  run: ProgramRun,
): Promise<RunResult> {
  return runCommand(host, [programOf(host, name), ...args], run)
}

/**
 * Runs a command whose program is an absolute path. The default timeout is `effectTimeout`.
 *
 * @throws SelinuxError `SELINUX_TIMEOUT`, `SELINUX_UNREADABLE` (too much output), `SELINUX_REFUSED`; otherwise those of the host.
 */
export async function runCommand(
  host: Host,
  command: readonly [string, ...string[]],
  { operation, target, touches, input, accept, ...options }: ProgramRun,
): Promise<RunResult> {
  const more = { maxOutput, ...(input === undefined ? {} : { input }), ...(accept === undefined ? {} : { accept }) }
  try {
    return await host.run(command, runOptions(touches, options, more))
  } catch (cause) {
    if (!(cause instanceof HostError)) throw cause
    const facts = { operation, target, cause }
    if (cause.code === 'HOST_TIMEOUT') {
      const limit = `${options.timeout ?? effectTimeout} ms`
      const detail = `${renderCommand(command)} did not end in ${limit}; check whether the machine is overloaded, then try again`
      throw new SelinuxError('SELINUX_TIMEOUT', { ...facts, detail })
    }
    if (cause.code === 'HOST_OUTPUT_TOO_LARGE') {
      const detail = `${command[0]} printed more than ${maxOutput} bytes`
      throw new SelinuxError('SELINUX_UNREADABLE', { ...facts, detail })
    }
    if (cause.code === 'HOST_PROGRAM_FAILED') {
      throw new SelinuxError('SELINUX_REFUSED', { ...facts, said: (cause.facts.stderr ?? '').trim().slice(-1000) })
    }
    throw cause
  }
}

/** Returns the options for each program: the signal and the timeout. */
export function effectOptions({ signal, timeout }: EffectOptions): EffectOptions {
  return { ...(signal === undefined ? {} : { signal }), ...(timeout === undefined ? {} : { timeout }) }
}

/** Returns the signal without the timeout, for short programs around a long transaction. */
export function signalOf({ signal }: EffectOptions): Pick<EffectOptions, 'signal'> {
  return signal === undefined ? {} : { signal }
}

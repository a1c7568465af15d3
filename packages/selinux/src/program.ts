import { HostError, renderCommand, type Host, type RunOptions, type RunResult } from '@puppy/host'
import { SelinuxError } from './errors.ts'

/** How long an effect may take and who may end it. */
export interface EffectOptions {
  readonly signal?: AbortSignal
  /** Milliseconds for each program that is run. Default 30,000. */
  readonly timeout?: number
}

export interface ProgramRun extends EffectOptions, Pick<RunOptions, 'touches' | 'input' | 'accept'> {
  /** What is attempted, for messages. */
  readonly operation: string
  readonly target: string
}

/** Debian's packages. */
const packages: Readonly<Record<string, string>> = {
  cat: 'coreutils',
  chcon: 'coreutils',
  df: 'coreutils',
  dmesg: 'util-linux',
  du: 'coreutils',
  find: 'findutils',
  flock: 'util-linux',
  mount: 'mount',
  mv: 'coreutils',
  python3: 'python3',
  restorecon: 'policycoreutils',
  semodule: 'policycoreutils',
  setpriv: 'util-linux',
  setsebool: 'policycoreutils',
  stat: 'coreutils',
  tail: 'coreutils',
  unshare: 'util-linux',
}

/** A home has perhaps a hundred thousand files, each a line. */
const maxOutput = 64 * 1024 * 1024

/** Finds a program of the system's own folders. @throws SelinuxError `SELINUX_NOT_INSTALLED` naming its package. */
export function programOf(host: Host, name: string, operation: string): string {
  const program = host.program(name)
  if (program !== undefined) return program
  const detail = `there is no program ${name}; install the package ${packages[name] ?? name} (Debian's name)`
  throw new SelinuxError('SELINUX_NOT_INSTALLED', { operation, detail })
}

/**
 * Runs a program of the system's own folders by its bare name, or one by its path.
 *
 * @throws SelinuxError `SELINUX_NOT_INSTALLED`, `SELINUX_TIMEOUT`, `SELINUX_UNREADABLE` (too much output), `SELINUX_REFUSED`; those of
 *   the host otherwise.
 */
export async function runProgram(
  host: Host,
  [name, ...args]: readonly [string, ...string[]],
  { operation, target, ...options }: ProgramRun,
): Promise<RunResult> {
  const command = [name.startsWith('/') ? name : programOf(host, name, operation), ...args] as const
  try {
    return await host.run(command, { maxOutput, ...options })
  } catch (cause) {
    if (!(cause instanceof HostError)) throw cause
    const facts = { operation, target, cause }
    if (cause.code === 'HOST_TIMEOUT') {
      const detail = `${renderCommand(command)} did not end in ${options.timeout ?? 30_000} ms`
      throw new SelinuxError('SELINUX_TIMEOUT', { ...facts, detail })
    }
    if (cause.code === 'HOST_OUTPUT_TOO_LARGE') {
      throw new SelinuxError('SELINUX_UNREADABLE', { ...facts, detail: `${name} printed more than ${maxOutput} bytes` })
    }
    if (cause.code === 'HOST_PROGRAM_FAILED') {
      throw new SelinuxError('SELINUX_REFUSED', { ...facts, said: (cause.facts.stderr ?? '').trim().slice(-1000) })
    }
    throw cause
  }
}

/** What of the options goes to each program. */
export function bounded({ signal, timeout }: EffectOptions): EffectOptions {
  return { ...(signal === undefined ? {} : { signal }), ...(timeout === undefined ? {} : { timeout }) }
}

/** The caller's signal without its time, for what is done on the way. */
export function signalOf({ signal }: EffectOptions): Pick<EffectOptions, 'signal'> {
  return signal === undefined ? {} : { signal }
}

import { HostError, renderCommand, type Host, type RunOptions, type RunResult } from '@puppy/host'
import { QuotaError } from './errors.ts'

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
  chattr: 'e2fsprogs',
  lsattr: 'e2fsprogs',
  find: 'findutils',
  repquota: 'quota',
  setquota: 'quota',
  stat: 'coreutils',
  sync: 'coreutils',
  xfs_quota: 'xfsprogs',
}

/** A report of ten thousand ids has half a megabyte. */
const maxOutput = 64 * 1024 * 1024

/**
 * Runs a program of the system's own folders by its bare name.
 *
 * @throws QuotaError `QUOTA_NOT_INSTALLED`, `QUOTA_TIMEOUT`, `QUOTA_UNREADABLE` (too much output), `QUOTA_REFUSED`; those of the
 *   host otherwise.
 */
export async function runProgram(
  host: Host,
  [name, ...args]: readonly [string, ...string[]],
  { operation, target, ...options }: ProgramRun,
): Promise<RunResult> {
  const program = host.program(name)
  if (program === undefined) {
    const detail = `there is no program ${name}; install the package ${packages[name] ?? name} (Debian's name)`
    throw new QuotaError('QUOTA_NOT_INSTALLED', { operation, target, detail })
  }
  try {
    return await host.run([program, ...args], { maxOutput, ...options })
  } catch (cause) {
    if (!(cause instanceof HostError)) throw cause
    const facts = { operation, target, cause }
    if (cause.code === 'HOST_TIMEOUT') {
      const detail = `${renderCommand([program, ...args])} did not end in ${options.timeout ?? 30_000} ms; read before trying again`
      throw new QuotaError('QUOTA_TIMEOUT', { ...facts, detail })
    }
    if (cause.code === 'HOST_OUTPUT_TOO_LARGE') {
      throw new QuotaError('QUOTA_UNREADABLE', { ...facts, detail: `${name} printed more than ${maxOutput} bytes` })
    }
    if (cause.code === 'HOST_PROGRAM_FAILED') {
      throw new QuotaError('QUOTA_REFUSED', { ...facts, said: (cause.facts.stderr ?? '').trim().slice(-1000) })
    }
    throw cause
  }
}

/** What of the options goes to each program. */
export function bounded({ signal, timeout }: EffectOptions): EffectOptions {
  return { ...(signal === undefined ? {} : { signal }), ...(timeout === undefined ? {} : { timeout }) }
}

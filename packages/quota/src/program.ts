import {
  effectTimeout,
  HostError,
  renderCommand,
  requireTool,
  runOptions,
  type EffectOptions,
  type FacilityErrorFacts,
  type Host,
  type RunOptions,
  type RunResult,
  type Tool,
} from '@puppy/host'
import { QuotaError } from './errors.ts'

/** The options of one run of a program, and its purpose for error messages. */
export interface ProgramRun extends EffectOptions, Pick<RunOptions, 'touches' | 'input' | 'accept'> {
  /** The attempted operation, for messages. */
  readonly operation: string
  readonly target: string
}

/** Checks that repquota and setquota are installed. @throws QuotaError `QUOTA_NOT_INSTALLED` */
export function requireQuotaTools(host: Host): void {
  for (const name of ['repquota', 'setquota'] as const) requireTool(host, name, notInstalled)
}

/** Returns the error for a missing program. */
export function notInstalled(facts: FacilityErrorFacts): QuotaError {
  return new QuotaError('QUOTA_NOT_INSTALLED', facts)
}

/** Bytes. A report of ten thousand ids has half a megabyte. */
const maxOutput = 64 * 1024 * 1024

/**
 * Runs a program by its bare name. Searches it only in the folders of the system.
 *
 * @throws QuotaError `QUOTA_NOT_INSTALLED`, `QUOTA_TIMEOUT`, `QUOTA_UNREADABLE` (too much output), `QUOTA_REFUSED`. Other errors of the
 *   host pass through.
 */
export async function runProgram(
  host: Host,
  [name, ...args]: readonly [Tool, ...string[]],
  { operation, target, touches, input, accept, ...options }: ProgramRun,
): Promise<RunResult> {
  const program = requireTool(host, name, notInstalled)
  const more = { maxOutput, ...(input === undefined ? {} : { input }), ...(accept === undefined ? {} : { accept }) }
  try {
    return await host.run([program, ...args], runOptions(touches, options, more))
  } catch (cause) {
    if (!(cause instanceof HostError)) throw cause
    const facts = { operation, target, cause }
    if (cause.code === 'HOST_TIMEOUT') {
      const late = `did not end within ${options.timeout ?? effectTimeout} ms; read the quotas before you try again`
      const detail = `${renderCommand([program, ...args])} ${late}`
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
